"""Draw what makes images of a person alike for a model."""

from mmgl.apis.commands import run_activation as main

if __name__ == '__main__':
    main()
