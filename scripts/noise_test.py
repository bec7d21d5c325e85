#!/usr/bin/env python3
"""One side of a Noise handshake by the PyPI package `noiseprotocol`, for talking with ours over standard input and output.

usage: noise_test.py initiator|responder PROTOCOL PROLOGUE PSK STATIC_SECRET [REMOTE_STATIC_KEY]

All in hexadecimal but the protocol's name. Each line read or written is one message in hexadecimal: first those of the
handshake, whose payloads are `python 1`, `python 2`; then the handshake hash is written; then one sealed message is
written, `sealed by python`, one is read, and what it opened to is written.
"""

import sys

from noise.connection import Keypair, NoiseConnection


def tell(data):
    print(bytes(data).hex(), flush=True)


def hear():
    return bytes.fromhex(sys.stdin.readline().strip())


def main(role, protocol, prologue, psk, secret, remote=None):
    noise = NoiseConnection.from_name(protocol.encode())
    noise.set_prologue(bytes.fromhex(prologue))
    noise.set_psks(bytes.fromhex(psk))
    noise.set_keypair_from_private_bytes(Keypair.STATIC, bytes.fromhex(secret))
    if role == "initiator":
        noise.set_as_initiator()
        noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, bytes.fromhex(remote))
    else:
        noise.set_as_responder()
    noise.start_handshake()
    is_our_turn = role == "initiator"
    count = 0
    while not noise.handshake_finished:
        if is_our_turn:
            count += 1
            tell(noise.write_message(b"python %d" % count))
        else:
            noise.read_message(hear())
        is_our_turn = not is_our_turn
    tell(noise.get_handshake_hash())
    tell(noise.encrypt(b"sealed by python"))
    tell(noise.decrypt(hear()))


if __name__ == "__main__":
    main(*sys.argv[1:])
