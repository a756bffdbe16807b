#!/usr/bin/env bash
# Builds @tensorflow/tfjs-node from npm and PyPI alone: build_tfjs_node.sh FOLDER, into FOLDER/node_modules. For Linux on
# x86-64, where its own download of TensorFlow is out of reach. The library is that of PyPI's tensorflow-cpu; needs
# Deno, a C++ compiler (CXX) and a Python with pip (PYTHON). Does nothing where the work is done.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
package=node_modules/@tensorflow/tfjs-node
addon=$package/lib/napi-v8/tfjs_binding.node
[ ! -e "$addon" ] || exit 0
python=${PYTHON:-python3}

# shellcheck disable=SC2086
${DENO:-deno} install --quiet --no-config --no-lock --node-modules-dir=auto \
  --entrypoint npm:@tensorflow/tfjs-node@4.22.0 npm:node-api-headers@1.9.0
deps=$package/deps
if [ ! -e $deps/lib/libtensorflow_framework.so.2 ]; then
  rm -rf wheel
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest wheel --only-binary :all: \
    --python-version 3.11 --platform manylinux2014_x86_64 tensorflow-cpu==2.12.0
  # The parts that a C program needs, of more than a gigabyte.
  "$python" - wheel/*.whl wheel <<'PYTHON'
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if re.match(r"tensorflow/(libtensorflow_(cc|framework)\.so\.2$|include/(tensorflow|tsl)/.*\.h$)", name):
            wheel.extract(name, sys.argv[2])
PYTHON
  mkdir -p $deps/lib
  rm -rf $deps/include
  mv wheel/tensorflow/include $deps/
  mv wheel/tensorflow/libtensorflow_cc.so.2 $deps/lib/
  # The linker's names, and the one that tfjs-node looks for.
  ln -sf libtensorflow_cc.so.2 $deps/lib/libtensorflow.so
  ln -sf libtensorflow_cc.so.2 $deps/lib/libtensorflow.so.2.9.1
  ln -sf libtensorflow_framework.so.2 $deps/lib/libtensorflow_framework.so
  mv wheel/tensorflow/libtensorflow_framework.so.2 $deps/lib/
  rm -r wheel
fi
mkdir -p "$(dirname "$addon")"
# Complete or not there: its name is what tells the next run.
${CXX:-g++} -std=c++17 -O2 -fPIC -shared -DNAPI_VERSION=8 -Inode_modules/node-api-headers/include -I$deps/include \
  $package/binding/*.cc -o "$addon.part" -L$deps/lib -ltensorflow -ltensorflow_framework \
  "-Wl,-rpath,\$ORIGIN/../../deps/lib"
mv "$addon.part" "$addon"
