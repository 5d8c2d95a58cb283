# speaker-sniffer: analyses captures, shows the demonstration, and watches a network, never as root.
#
#   docker build -t localhost/speaker-sniffer .
#   docker run --rm localhost/speaker-sniffer demo
#   docker run --rm -v "$PWD:/data:ro" localhost/speaker-sniffer analyze capture.pcap
#   docker run --rm --network host --cap-add NET_RAW localhost/speaker-sniffer run
#
# Where there is no registry, any Debian with python3 and python3-venv will do as BASE (see .ci/image).
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# A compiler compiles the three C files; without one the same program is pure Python.
RUN (apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
     $([ -x /usr/local/bin/python3 ] || echo python3-dev)) >/dev/null 2>&1 || echo "no compiler: pure Python"
RUN python3 -m venv /opt/sniffer
# What we depend on changes less often than we do: a layer of its own.
COPY requirements.lock ./
RUN /opt/sniffer/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE hatch_build.py ./
COPY sniffer sniffer
COPY rules rules
COPY dashboards dashboards
RUN /opt/sniffer/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
 && /opt/sniffer/bin/pip uninstall --yes --quiet pip
# An interpreter of our own that may be granted CAP_NET_RAW. Not effective (that would keep Python from starting at
# all where the capability is not granted): sniffer raises it when it opens an interface, or says which flag to add.
RUN cp "$(readlink -f /opt/sniffer/bin/python3)" /opt/sniffer/bin/python-raw \
 && sed -i '1s|.*|#!/opt/sniffer/bin/python-raw|' /opt/sniffer/bin/sniffer

FROM ${BASE}
ARG VERSION=0.2.0
LABEL org.opencontainers.image.title="speaker-sniffer" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/speaker-sniffer/speaker-sniffer" \
      org.opencontainers.image.description="Tells when a smart speaker sent what could be your voice, and whether anybody asked it to." \
      org.opencontainers.image.licenses="Apache-2.0"
# Sources of `type: ssh` use the system's client.
RUN (apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-client && rm -rf /var/lib/apt/lists/*) \
 >/dev/null 2>&1 || echo "no ssh client: sources of type ssh will not work"
COPY --from=build /opt/sniffer /opt/sniffer
# The file capability cap_net_raw+p, written as the attribute it is: no setcap has to be in the image.
RUN python3 -c "import os, struct; os.setxattr('/opt/sniffer/bin/python-raw', 'security.capability', \
struct.pack('<5I', 0x02000000, 1 << 13, 0, 0, 0))" \
 && ln -s /opt/sniffer/bin/sniffer /usr/local/bin/sniffer \
 && echo 'sniffer:x:10001:10001:speaker-sniffer:/data:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'sniffer:x:10001:' >> /etc/group \
 && mkdir /data && chown 10001:10001 /data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 9877
# State lies in the volume (sniffer.settings.places).
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STATE_DIRECTORY=/data
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["/opt/sniffer/bin/python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9877/-/healthy', timeout=3)"]
ENTRYPOINT ["sniffer"]
CMD ["--help"]
