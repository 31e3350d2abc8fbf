# syntax=docker/dockerfile:1
# The image: one static binary and the certificates of public authorities, run as nobody in particular.
#
#   docker build --tag tailor:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/tailor:0.1.0 --push .
#
# The compiler always runs on the machine's own architecture, and makes the binary for the other one.

ARG RUST_VERSION=1.95.0

FROM --platform=$BUILDPLATFORM rust:${RUST_VERSION}-slim-bookworm AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src
# What `ring` and the linker need for the target: Debian's own C compiler, or that for the other architecture.
RUN set -eux; \
    case "$TARGETARCH" in \
      amd64) cpu=x86_64 ;; \
      arm64) cpu=aarch64 ;; \
      *) echo "there is no image for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    apt-get update; \
    apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev; \
    if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
      apt-get install --yes --no-install-recommends "gcc-$(echo "$cpu" | tr _ -)-linux-gnu" "libc6-dev-$TARGETARCH-cross"; \
    fi; \
    rm -rf /var/lib/apt/lists/*; \
    rustup target add "$cpu-unknown-linux-musl"; \
    echo "$cpu" > /cpu
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=target-$TARGETARCH \
    set -eu; cpu="$(cat /cpu)"; target="$cpu-unknown-linux-musl"; \
    export "CC_${cpu}_unknown_linux_musl=$cpu-linux-gnu-gcc"; \
    export "CARGO_TARGET_$(echo "${cpu}" | tr a-z A-Z)_UNKNOWN_LINUX_MUSL_LINKER=$cpu-linux-gnu-gcc"; \
    cargo build --locked --profile dist --bin tailor --target "$target"; \
    cp "target/$target/dist/tailor" /tailor

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tailor" \
      org.opencontainers.image.description="In-place vertical autoscaler for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# For a Prometheus behind a certificate of a public authority; and no client of HTTP starts without any.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /tailor /usr/local/bin/tailor
USER 65532:65532
EXPOSE 8080 10250
ENTRYPOINT ["/usr/local/bin/tailor"]
CMD ["controller"]
