# Training, evaluation and the service on NVIDIA GPUs.
#
#   docker build -f docker/gpu.Dockerfile -t mmgl:gpu .
#   docker run --gpus all --shm-size 8g -v ./data:/mmgl/data mmgl:gpu \
#       train configs/mmgl/pretrain/mmgl_two-stream_r50_96-100e_sysu.py
#
# Loader processes share images in /dev/shm: the 64 MB of a container without
# --shm-size are too few.
FROM pytorch/pytorch:2.11.0-cuda13.0-cudnn9-runtime
WORKDIR /mmgl
COPY . .
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[optional,serve]" \
    && pip uninstall -y opencv-python \
    && pip install --no-cache-dir opencv-python-headless==5.0.0.93
ENTRYPOINT ["mmgl"]
CMD ["--help"]
