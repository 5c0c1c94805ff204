# ImageNet weights in torchvision's format, copied into both stems. Without
# network, give a file: --init-checkpoint resnet50-0676ba61.pth
model = dict(
    init_from=dict(
        _delete_=True,
        kind='imagenet',
        checkpoint='torchvision://resnet50'))
