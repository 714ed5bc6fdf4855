#!/bin/sh
# Converts the network of ../saved-model to a graph model of TensorFlow.js, in an environment of its
# own: tensorflowjs 4.22.0 imports tensorflow_decision_forests, which brings a ydf that is too new
# for the protobuf that the tensorflow of both wants; ydf 0.11.0 is not.
#
#   sh make_model.sh [FOLDER FOR THE ENVIRONMENT]
#
# Writes model.json, group1-shard1of1.bin, and as samples what TensorFlow answers itself.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
environment=${1:-$(mktemp -d)}
if [ ! -x "$environment/bin/tensorflowjs_converter" ]; then
  python3 -m venv "$environment"
  "$environment/bin/pip" install -q tensorflowjs==4.22.0
  "$environment/bin/pip" install -q ydf==0.11.0
fi
"$environment/bin/tensorflowjs_converter" --input_format=tf_saved_model \
  --output_format=tfjs_graph_model "$here/../saved-model" "$here"
mkdir -p "$here/tests"
cp "$here/../saved-model/tests/samples.json" "$here/tests/samples.json"
