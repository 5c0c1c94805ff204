"""Write the embedded synthetic data set in a real set's layout.

Example:
    python tools/dataset_converters/make_synthetic.py \
        --root data/synthetic_sysu --layout sysu --preset mini
"""

from mmgl.apis.synthesis import run_synthesis as main

if __name__ == '__main__':
    main()
