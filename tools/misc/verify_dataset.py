"""Check a SYSU-MM01 or RegDB folder and say what is wrong and where."""

from mmgl.apis.verification import run_verification as main

if __name__ == '__main__':
    raise SystemExit(main())
