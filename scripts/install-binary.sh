#!/usr/bin/env bash
# install-binary.sh BUILT PREFIX: puts meshnode and its resources into PREFIX/lib/meshnode and a link into PREFIX/bin.
# A running agent keeps the file it was started from: the new one takes its place by rename.
set -euo pipefail

built=${1:?usage: install-binary.sh BUILT PREFIX}
prefix=${2:?usage: install-binary.sh BUILT PREFIX}
home=$prefix/lib/meshnode

mkdir -p "$home" "$prefix/bin"
found=false
for resources in MeshNode_MeshNode.resources MeshNode_MeshNode.bundle; do
    [ -e "$built/$resources" ] || continue
    found=true
    rm -rf "$home/$resources.new"
    cp -R "$built/$resources" "$home/$resources.new"
    rm -rf "${home:?}/$resources"
    mv "$home/$resources.new" "$home/$resources"
done
if [ "$found" = false ]; then
    echo "$built holds no MeshNode_MeshNode.resources: the build is not complete" >&2
    exit 1
fi
install -m 755 "$built/meshnode" "$home/meshnode.new"
mv "$home/meshnode.new" "$home/meshnode"
ln -sf ../lib/meshnode/meshnode "$prefix/bin/meshnode"
echo "Installed $prefix/bin/meshnode: $("$prefix/bin/meshnode" --version)"
case ":$PATH:" in
*":$prefix/bin:"*) ;;
*) echo "$prefix/bin is not on your PATH." ;;
esac
