# One image for every command: `docker run ibiki serve`, `dispatch`, `migrate`, …
# It holds what a server needs: neither an embedded PostgreSQL nor what tests and checks use.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/ibiki
ENV PATH=/opt/ibiki/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements-server.lock ./
RUN pip install --quiet --require-hashes -r requirements-server.lock
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY persistence persistence
COPY providers providers
COPY resolvers resolvers
COPY schema schema
COPY ibiki ibiki
# What builds and installs is of no use afterwards.
RUN pip install --quiet --no-deps --no-build-isolation . \
 && pip uninstall --quiet --yes setuptools pip

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data ibiki \
 && install --directory --owner=ibiki --mode=0700 /data
COPY --from=build /opt/ibiki /opt/ibiki
ENV PATH=/opt/ibiki/bin:$PATH PYTHONUNBUFFERED=1 IBIKI_DATA=/data
USER ibiki
WORKDIR /data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["ibiki"]
CMD ["serve", "--host", "0.0.0.0"]
