# One image for every command: `docker run ibiki serve`, `dispatch`, `migrate`, …
# It holds what a server needs: neither an embedded PostgreSQL nor what tests and checks use.
FROM node:22-slim AS console
WORKDIR /src/console
COPY console/package.json console/package-lock.json console/.npmrc ./
RUN npm ci --no-audit --no-fund --silent
COPY console ./
COPY schema.graphql /src/
RUN npm run --silent build

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
COPY --from=console /src/ibiki/console_files ibiki/console_files
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
