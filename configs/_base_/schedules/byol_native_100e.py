# BYOL: 4.8 for 4096 images is SimCLR's 0.3 for 256; all else is alike.
_base_ = './simclr_native_100e.py'
