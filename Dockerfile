# One image, two ways to run it: an HTTP server (k3s, docker run) and a Lambda function.
#
#   docker build .                                            with the sample songs
#   docker build --build-arg BUNDLE=my-bundle .               a bundle in this folder
#   docker build --build-arg MILVUS=1 .                       that can search in Milvus
#   docker build --build-arg BUNDLE=s3://bucket/prefix --secret id=aws,src=$HOME/.aws/credentials .
#
# `make image BUNDLE=…` says all of that. It takes BuildKit (docker 23; DOCKER_BUILDKIT=1 before), or
# buildah.
# `--target embed` makes the image of the cluster's Jobs: python -m embed, and no bundle.
# `--target ray` is that with Ray in it: head, workers and job of k8s/ray.
# Builds that must repeat give the base by digest: --build-arg BASE=python:3.11-slim@sha256:…
ARG BASE=docker.io/library/python:3.11-slim

# --- The API's packages, in a virtual environment that moves as a whole: decoders and ONNX Runtime
# too, for those who ask by sound.
FROM ${BASE} AS api
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
COPY requirements/handler.txt requirements/lambda.txt requirements/
# Wheels only: nothing is compiled here, so that nothing can differ. All that is needed is listed;
# what else tokenizers would bring, to download models, is not (UNUSED in the Makefile).
RUN pip install --no-cache-dir --only-binary=:all: --no-deps -r requirements/handler.txt -r requirements/lambda.txt
# numkong's wheels bring 41 of their 45 MB for debuggers. binutils stays in this stage.
RUN apt-get update -q && apt-get install -qy --no-install-recommends binutils \
    && strip --strip-debug /opt/venv/lib/python3*/site-packages/numkong/*.so \
    && python -c 'import usearch'
# With MILVUS=1 it can also search there (VIBE_INDEX) and publish; 150 MB more.
ARG MILVUS=
COPY requirements/milvus.txt requirements/
RUN if [ -n "$MILVUS" ]; then \
      pip install --no-cache-dir --only-binary=:all: -r requirements/milvus.txt; fi
COPY embed embed
COPY handler handler
# Compiled now, since at run time the file system may be read-only. And for whoever runs it: files come
# with the rights that they have where the image is built, and Lambda's user is not ours.
RUN python -m compileall -q --invalidation-mode unchecked-hash embed handler && chmod -R a+rX .

# --- As they serve: nothing is installed any more, and NumPy's own tests (15 MB) are not run.
FROM api AS served
RUN pip uninstall --yes --quiet pip setuptools wheel && \
    find /opt/venv/lib/python3*/site-packages/numpy -type d -name tests -prune -exec rm -rf {} +

# --- And those that embed folders of songs and talk to S3.
FROM api AS embedding
COPY requirements/embed.txt requirements/
RUN pip install --no-cache-dir --only-binary=:all: -r requirements/embed.txt

# --- The bundle: from S3, from this folder, or made of the sample songs.
FROM embedding AS bundle
ARG BUNDLE=
# Profile, region and endpoint are no secrets; credentials are, and are in no layer.
ARG AWS_PROFILE=
ARG AWS_REGION=
ARG AWS_ENDPOINT_URL=
RUN --mount=type=bind,target=/context --mount=type=secret,id=aws,target=/run/secrets/aws \
    set -e; \
    case "$BUNDLE" in \
      "") python -m embed.sample /tmp/music && python -m embed /tmp/music --to /bundle ;; \
      s3://*) \
        if [ -f /run/secrets/aws ]; then export AWS_SHARED_CREDENTIALS_FILE=/run/secrets/aws; fi; \
        [ -n "$AWS_PROFILE" ] || unset AWS_PROFILE; \
        [ -n "$AWS_REGION" ] || unset AWS_REGION; \
        [ -n "$AWS_ENDPOINT_URL" ] || unset AWS_ENDPOINT_URL; \
        python -m embed pull "$BUNDLE" /bundle ;; \
      *) \
        if [ ! -d "/context/$BUNDLE" ]; then \
          echo "BUNDLE=$BUNDLE: no such folder in the build context" >&2; exit 2; fi; \
        cp -R "/context/$BUNDLE" /bundle ;; \
    esac; \
    find /bundle -name '.*' -type f -delete; \
    chmod -R a+rX /bundle; \
    VIBE_BUNDLE=/bundle python -c 'import handler.main'

# --- What all images have: where they come from, our code, and nobody's rights.
FROM ${BASE} AS runtime
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vibe-search" \
      org.opencontainers.image.description="Finds songs that sound alike: an HTTP API over CLAP embeddings" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=api /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 VIBE_REVISION=${REVISION}
WORKDIR /app
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001

# --- What the cluster's Jobs run.
FROM runtime AS embed
COPY --from=embedding /opt/venv /opt/venv
ENTRYPOINT ["python", "-m", "embed"]

# --- Ray, for those who embed by many machines: 500 MB that nobody else carries.
FROM embedding AS clustered
COPY requirements/ray.txt requirements/
RUN pip install --no-cache-dir --only-binary=:all: -r requirements/ray.txt

FROM runtime AS ray
COPY --from=clustered /opt/venv /opt/venv
# Ray starts its workers wherever it likes: they find our code by PYTHONPATH.
ENV PYTHONPATH=/app RAY_USAGE_STATS_ENABLED=0
CMD ["ray", "--help"]

# --- What serves.
FROM runtime AS serve
COPY --from=served /opt/venv /opt/venv
COPY --from=bundle /bundle /bundle
ENV VIBE_BUNDLE=/bundle VIBE_HOST=0.0.0.0 VIBE_PORT=8000 VIBE_LOG_FORMAT=json
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
  CMD ["python", "-S", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['VIBE_PORT'] + '/readyz', timeout=2)"]
ENTRYPOINT ["python", "-m", "handler.entrypoint"]
