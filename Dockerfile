# The image holds one static binary and the public certificate authorities, nothing else: no shell, no package manager.
#
#   make image
#   docker run -d --name cardea --network host --read-only --cap-drop ALL --security-opt no-new-privileges --stop-timeout 30 \
#     -v cardea:/data cardea
#
# --network host lets cameras be found by multicast; with a bridge network add cameras by address and publish 8443, TCP and UDP.
FROM node:20-bookworm-slim AS ui
WORKDIR /src/assets/ui
COPY assets/ui/package.json assets/ui/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY assets/ui ./
RUN npm run build

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=ui /src/assets/dist assets/dist
ARG VERSION=unknown
RUN make binary VERSION="$VERSION" && mkdir -m 0700 /data

FROM scratch
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Cardea" \
      org.opencontainers.image.description="Home NVR whose recordings open only on the owner's devices" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/bin/cardea /cardea
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
# There is no /tmp: what SQLite sorts and what is exported passes through files without a name on the disk of the data.
ENV CARDEA_DATA=/data TMPDIR=/data
VOLUME /data
EXPOSE 8443 8443/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/cardea", "health"]
ENTRYPOINT ["/cardea"]
CMD ["serve"]
