"""Judge pre-trained features without fine-tuning (docs/probe.md)."""

from mmgl.apis.commands import run_probe

if __name__ == '__main__':
    run_probe()
