# The bot in a container: docker run --env-file .env -v clinic-faq:/data clinic-faq-bot
# 3.13.15-slim-bookworm for every platform; a newer base is a newer tag and its digest.
ARG BASE=python:3.13.15-slim-bookworm@sha256:2325bb286ec344af3e5898cc224b5844e2707ac6e26b1632516fd3edc84a5e26

FROM ${BASE} AS build
WORKDIR /src
RUN python -m venv --without-pip /venv
COPY requirements.lock ./
RUN pip --python /venv install --no-cache-dir --only-binary :all: --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY bot bot
COPY faq faq
# setuptools, which built the bot, stays behind.
RUN pip --python /venv install --no-cache-dir --no-deps --no-build-isolation . \
    && pip --python /venv uninstall --yes setuptools
# The first question makes the encoder's model and the vectors: no container need do that again.
RUN XDG_CACHE_HOME=/cache /venv/bin/clinic-faq ask hello && ls /cache/clinic-faq/*.onnx

FROM ${BASE}
RUN pip uninstall --yes --root-user-action ignore pip \
    && useradd --uid 10001 --no-create-home --no-log-init --shell /usr/sbin/nologin clinic \
    && install -d -o clinic -g clinic /data
COPY --from=build /venv /venv
COPY --from=build --chown=clinic:clinic /cache/clinic-faq /var/cache/clinic-faq
# The user has no home: the cache has a place of its own, which the user may write and a container may lose.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/var/cache DATABASE_URL=sqlite:////data/clinic-faq.sqlite
# Whatever is served is reached from outside the container, or not at all.
ENV HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["clinic-faq", "health"]
ENTRYPOINT ["clinic-faq"]
CMD ["run"]
