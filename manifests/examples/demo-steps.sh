# Shared steps of the demos in this folder, to be sourced. `kept` is the folder that remains after a failure, if any.

heading() {
    printf '\n== %s\n\n' "$*"
}

surprise() {
    printf '\ndemo: %s\ndemo: this should not happen%s\n' "$*" "${kept:+; look around in $kept}" >&2
    exit 1
}

# expect CODE COMMAND...: shows the command, runs it, and stops unless it ends with that exit code.
expect() {
    local expected=$1 code=0
    shift
    printf '$ %s\n' "$*"
    "$@" || code=$?
    [ "$code" = "$expected" ] || surprise "'$*' ended with exit code $code instead of $expected"
}

boot_image() {
    local file=$1
    shift
    python -m reconciler.manifests.examples.boot_image "images/$file" --message "hello from ${file%.*}" "$@"
}

three_images() {
    heading "Three small disk images that boot"
    mkdir images
    boot_image web-1.0.0.img
    boot_image web-1.1.0.img
    boot_image worker-1.0.0.vhd --format vhd
    ls -s images
}
