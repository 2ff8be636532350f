#!/usr/bin/env python3
"""Reads test vectors of the sealed file format and says what it makes of each.

    decoder.py VECTOR.json ...
    decoder.py --key-items LIST.json

One line each: file name, verdict, plaintext in hexadecimal, separated by tabs. What a vector expects is not looked at.
Of a key item: verdict, key, the store's name, the folder in hexadecimal.
Written from docs/FORMAT.md and RFC 8439 with the standard library alone; passphrases need argon2-cffi, without it
their verdict is "skipped".
"""
import hashlib
import hmac
import json
import os
import struct
import sys

try:
    from argon2.low_level import Type, hash_secret_raw
except ImportError:
    hash_secret_raw = None

MAGIC = bytes.fromhex("89544B4545500D0A")
FIXED = 120
TAG = 16
PASSPHRASE = 3
PARAMETERS = {1: 0, 2: 0, PASSPHRASE: 28, 4: 0, 5: 0, 6: 0, 7: 0}
MASK = 0xFFFFFFFF


class Refused(Exception):
    """Carries the verdict."""


# ChaCha20, HChaCha20, Poly1305


def rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        x[a] = (x[a] + x[b]) & MASK
        x[d] ^= x[a]
        x[d] = (x[d] << 16 | x[d] >> 16) & MASK
        x[c] = (x[c] + x[d]) & MASK
        x[b] ^= x[c]
        x[b] = (x[b] << 12 | x[b] >> 20) & MASK
        x[a] = (x[a] + x[b]) & MASK
        x[d] ^= x[a]
        x[d] = (x[d] << 8 | x[d] >> 24) & MASK
        x[c] = (x[c] + x[d]) & MASK
        x[b] ^= x[c]
        x[b] = (x[b] << 7 | x[b] >> 25) & MASK

    for _ in range(10):
        for i in range(4):
            quarter(i, i + 4, i + 8, i + 12)
        for i in range(4):
            quarter(i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12)
    return x


def initial_state(key, last_four_words):
    return struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + last_four_words


def hchacha20(key, nonce16):
    x = rounds(initial_state(key, struct.unpack("<4I", nonce16)))
    return struct.pack("<8I", *x[:4], *x[12:])


def keystream_block(key, nonce12, counter):
    state = initial_state(key, (counter,) + struct.unpack("<3I", nonce12))
    return struct.pack("<16I", *((a + b) & MASK for a, b in zip(rounds(state), state)))


def poly1305(one_time_key, message):
    r = int.from_bytes(one_time_key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(one_time_key[16:], "little")
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i : i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + s) % 2**128).to_bytes(16, "little")


def padded(data):
    return data + bytes(-len(data) % 16)


def decrypt(key, nonce, associated, ciphertext, tag):
    subkey = hchacha20(key, nonce[:16])
    nonce12 = bytes(4) + nonce[16:]
    lengths = struct.pack("<QQ", len(associated), len(ciphertext))
    one_time_key = keystream_block(subkey, nonce12, 0)[:32]
    expected = poly1305(one_time_key, padded(associated) + padded(ciphertext) + lengths)
    if not hmac.compare_digest(expected, tag):
        raise Refused("corrupt")
    plain = bytearray()
    for i in range(0, len(ciphertext), 64):
        block = keystream_block(subkey, nonce12, i // 64 + 1)
        plain += bytes(a ^ b for a, b in zip(ciphertext[i : i + 64], block))
    return bytes(plain)


# The file


def half_sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()[:16]


def number(data, offset, length):
    """The big-endian number at an offset; the file has to reach that far."""
    if len(data) < offset + length:
        raise Refused("corrupt")
    return int.from_bytes(data[offset : offset + length], "big")


def check_start(data):
    if data.startswith(MAGIC):
        return
    if data and MAGIC.startswith(data):
        raise Refused("corrupt")
    raise Refused("corrupt" if data[1:6] == b"TKEEP" else "not sealed")


def one_of(value, known, otherwise):
    if value == 0:
        raise Refused("corrupt")
    if value not in known:
        raise Refused(otherwise)
    return value


def costs(data):
    memory, passes, lanes = (number(data, offset, 4) for offset in (136, 140, 144))
    bounded = 8192 <= memory <= 262144 and 1 <= passes <= 64 and 1 <= lanes <= 16
    if not bounded or memory * passes > 786432:
        raise Refused("corrupt")
    return memory, passes, lanes


def key_of(vector, data, source):
    if "key" in vector:
        return bytes.fromhex(vector["key"])
    if source != PASSPHRASE:
        raise Refused("wrong key")
    if hash_secret_raw is None:
        raise Refused("skipped")
    memory, passes, lanes = costs(data)
    secret = vector["passphrase"].encode()
    return hash_secret_raw(secret, data[120:136], passes, memory, lanes, 32, Type.ID, 0x13)


def decode(vector):
    data = bytes.fromhex(vector["file"])
    name = vector["store"].encode()
    if len(data) > vector.get("limit", 16777216):
        raise Refused("too large")
    check_start(data)
    one_of(number(data, 8, 2), [1], "unsupported version")
    one_of(number(data, 10, 1), [1], "unsupported suite")
    source = one_of(number(data, 11, 1), PARAMETERS, "unknown key source")
    header_length = FIXED + PARAMETERS[source]
    if number(data, 12, 2) != header_length or number(data, 14, 2) != 0:
        raise Refused("corrupt")
    if len(data) < header_length or number(data, 80, 8) == 0:
        raise Refused("corrupt")
    if source == PASSPHRASE:
        costs(data)
    if len(data) != header_length + number(data, 88, 8) + TAG:
        raise Refused("corrupt")
    if not 1 <= len(name) <= 1024 or data[48:64] != half_sha256(b"tokenkeep store name v1", name):
        raise Refused("other store")
    key = key_of(vector, data, source)
    if data[32:48] != half_sha256(b"tokenkeep key check v1", data[16:32], key):
        raise Refused("wrong key")
    header = data[:header_length]
    associated = header + struct.pack(">I", len(name)) + name
    return decrypt(key, header[96:120], associated, data[header_length:-TAG], data[-TAG:])


def decode_key_item(data):
    """Verdict, key, store and folder of a vault's item."""
    if len(data) == 32:
        return "bare", data.hex(), "", ""
    if len(data) > 2560 or number(data, 32, 1) != 1:
        raise Refused("corrupt")
    name_length = number(data, 33, 2)
    folder_length = number(data, 35 + name_length, 2)
    if not 1 <= name_length <= 1024 or len(data) != 37 + name_length + folder_length:
        raise Refused("corrupt")
    try:
        name = data[35 : 35 + name_length].decode()
    except UnicodeDecodeError:
        raise Refused("corrupt") from None
    return "success", data[:32].hex(), name, data[37 + name_length :].hex()


def print_key_items(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        try:
            fields = decode_key_item(bytes.fromhex(vector["item"]))
        except Refused as refusal:
            fields = (str(refusal), "", "", "")
        sys.stdout.buffer.write(("\t".join(fields) + "\n").encode())


def main(paths):
    if paths[0] == "--key-items":
        return print_key_items(paths[1])
    for path in paths:
        with open(path, encoding="utf-8") as file:
            vector = json.load(file)
        try:
            verdict, plain = "success", decode(vector).hex()
        except Refused as refusal:
            verdict, plain = str(refusal), ""
        sys.stdout.write("%s\t%s\t%s\n" % (os.path.basename(path), verdict, plain))


if __name__ == "__main__":
    main(sys.argv[1:])
