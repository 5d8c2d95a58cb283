#!/bin/sh
# A folder with Home Assistant for tests/neighbours/test_home_assistant.py: Debian forky has the Python that it needs.
#   sudo tests/neighbours/make_home_assistant.sh /var/tmp/home-assistant      (ten minutes, 2 GB)
set -e
root=$1
[ -n "$root" ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
[ -e /usr/share/debootstrap/scripts/forky ] || ln -s sid /usr/share/debootstrap/scripts/forky
debootstrap --variant=minbase \
  --include=python3,python3-venv,python3-dev,gcc,g++,libffi-dev,libssl-dev,libturbojpeg0,ca-certificates \
  forky "$root" "${MIRROR:-http://deb.debian.org/debian}"
cp /etc/resolv.conf "$root/etc/"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev"
chroot "$root" python3 -m venv /opt/ha
chroot "$root" /opt/ha/bin/pip install --quiet homeassistant==2026.11.0 paho-mqtt
