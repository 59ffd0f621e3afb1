#!/bin/sh
# Prints the message, proves that the files are as the build left them, and shows the file it is asked for.
cat /srv/message
sha256sum -c /srv/checksums || exit 1
echo "I am $(id -u):$(id -g) on $(hostname), greeting $WHO. Here is ${1:-squares}:"
cat "/srv/${1:-squares}"
