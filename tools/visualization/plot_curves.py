"""Plot training losses and validation metrics of one or several runs."""

from mmgl.apis.curves import run_curves as main

if __name__ == '__main__':
    main()
