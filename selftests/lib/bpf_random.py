# SPDX-License-Identifier: GPL-2.0-only
"""Programs of random instructions, to run on two processors: what both make of the same frame must be the same.

A program loads its registers from the frame, computes, and writes them back, so a verifier knows nothing of the values
and lets all of it stand; and the frame that comes out shows every bit of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from lib.bpf import instruction

FRAME_AT = 14  # where in the frame the registers are, eight bytes each
_REGISTERS = (0, 3, 4, 5, 7, 8, 9)  # R2 is the frame, R6 the context, R1 goes for what a program needs besides
LENGTH = 8 * len(_REGISTERS)
SCRATCH = 24  # bytes behind them

_ALU, _ALU64, _JMP, _JMP32, _X = 0x04, 0x07, 0x05, 0x06, 0x08
_ADD, _SUB, _MUL, _DIV, _OR, _AND, _LSH, _RSH, _NEG, _MOD, _XOR, _MOV, _ARSH, _END = (n << 4 for n in range(14))
_JUMPS = [n << 4 for n in (1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13)]
_LDX, _ST, _STX, _LD = 0x01, 0x02, 0x03, 0x00
_MEM, _MEMSX, _ATOMIC = 0x60, 0x80, 0xC0
_SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
_FETCH = 0x01
_EDGES = (0, 1, -1, 2, 31, 32, 63, 64, 0x7FFFFFFF, -0x80000000, 0x80, 0x8000)


def program(seed: int, length: int = 40) -> list[bytes]:
    """A program of about so many instructions beside what each has, whose verdict is XDP_PASS."""
    dice = random.Random(seed)
    body: list[bytes] = []
    while len(body) < length:
        body += _step(dice)
    return [
        instruction(_ALU64 | _X | _MOV, 6, 1),
        instruction(_LDX | _MEM | _SIZES[4], 2, 6, 0),  # data
        instruction(_LDX | _MEM | _SIZES[4], 3, 6, 4),  # data_end
        instruction(_ALU64 | _X | _MOV, 4, 2),
        instruction(_ALU64 | _ADD, 4, value=FRAME_AT + LENGTH + SCRATCH),
        instruction(_JMP | _X | 0x20, 4, 3, offset=2),  # longer than the frame
        instruction(_ALU64 | _MOV, 1),
        instruction(_JMP, offset=2),
        instruction(_ALU64 | _MOV, 0),
        instruction(_JMP | 0x90),
        *(instruction(_LDX | _MEM | _SIZES[8], to, 2, FRAME_AT + 8 * i) for i, to in enumerate(_REGISTERS)),
        *body,
        *(instruction(_STX | _MEM | _SIZES[8], 2, of, FRAME_AT + 8 * i) for i, of in enumerate(_REGISTERS)),
        instruction(_ALU64 | _MOV, 0, value=2),
        instruction(_JMP | 0x90),
    ]


def _number(dice: random.Random) -> int:
    return dice.choice((dice.choice(_EDGES), dice.randrange(-(1 << 31), 1 << 31)))


def registers(dice: random.Random) -> bytes:
    """What a program may find in the frame: random numbers, and those at the borders of 8, 16, 32 and 64 bits."""
    edges = [
        0,
        1,
        2,
        (1 << 64) - 1,
        *(1 << n for n in (7, 8, 15, 16, 31, 32, 63)),
        *((1 << n) - 1 for n in (31, 32, 63)),
    ]
    numbers = (dice.choice((dice.choice(edges), dice.getrandbits(64))) for _ in _REGISTERS)
    return b"".join(number.to_bytes(8, "little") for number in numbers) + dice.randbytes(SCRATCH)


def differences(expected: bytes, got: bytes) -> str:
    """Which registers two frames do not have in common."""
    pairs = (
        (f[FRAME_AT + 8 * i : FRAME_AT + 8 * i + 8][::-1].hex() for f in (expected, got))
        for i in range(len(_REGISTERS))
    )
    return ", ".join(f"R{n}: {a}, {b} in the device" for n, (a, b) in zip(_REGISTERS, pairs, strict=True) if a != b)


def _step(dice: random.Random) -> list[bytes]:
    steps: tuple[Callable[[random.Random], list[bytes]], ...] = (
        _arithmetic,
        _jump,
        _stack,
        _frame,
        _atomic,
        _wide,
        _swap,
    )
    return dice.choices(steps, (12, 3, 2, 2, 2, 1, 1))[0](dice)


def _arithmetic(dice: random.Random) -> list[bytes]:
    wide = dice.random() < 0.6
    kind = _ALU64 if wide else _ALU
    op = dice.choice((_ADD, _SUB, _MUL, _DIV, _OR, _AND, _LSH, _RSH, _NEG, _MOD, _XOR, _MOV, _ARSH))
    to, source = dice.choice(_REGISTERS), dice.choice(_REGISTERS)
    if op == _NEG:
        return [instruction(kind | op, to)]
    by_register = dice.random() < 0.6
    offset = dice.choice((0, 1)) if op in (_DIV, _MOD) else 0
    if op == _MOV and by_register:
        offset = dice.choice((0, 8, 16, 32) if wide else (0, 8, 16))
    if by_register:
        return [instruction(kind | op | _X, to, source, offset)]
    value = _number(dice)
    if op in (_LSH, _RSH, _ARSH):
        value = dice.randrange(64 if wide else 32)
    elif op in (_DIV, _MOD) and value == 0:
        value = 3
    return [instruction(kind | op, to, 0, offset, value)]


def _swap(dice: random.Random) -> list[bytes]:
    code = dice.choice((_ALU | _END, _ALU | _END | _X, _ALU64 | _END))
    return [instruction(code, dice.choice(_REGISTERS), value=dice.choice((16, 32, 64)))]


def _jump(dice: random.Random) -> list[bytes]:
    """A condition that skips some arithmetic."""
    skipped = [one for _ in range(dice.randrange(1, 4)) for one in _arithmetic(dice)]
    kind, op, to = dice.choice((_JMP, _JMP32)), dice.choice(_JUMPS), dice.choice(_REGISTERS)
    if dice.random() < 0.5:
        first = instruction(kind | op | _X, to, dice.choice(_REGISTERS), len(skipped))
    else:
        first = instruction(kind | op, to, 0, len(skipped), _number(dice))
    if dice.random() < 0.5:
        return [first, *skipped]
    # The condition over a jump without one, over the rest: the second has 32 bits of distance in one of two kinds
    over = dice.choice((_JMP, _JMP32))
    length = len(skipped)
    far = instruction(over, offset=length) if over == _JMP else instruction(over, value=length)
    return [first[:2] + (1).to_bytes(2, "little") + first[4:], far, *skipped]


def _wide(dice: random.Random) -> list[bytes]:
    """A constant of 64 bits."""
    return [
        instruction(_LD | _SIZES[8], dice.choice(_REGISTERS), value=_number(dice)),
        instruction(0, value=_number(dice)),
    ]


def _stack(dice: random.Random) -> list[bytes]:
    """A register to the stack, all of it, some of it over that, and some of it back, with its sign or without."""
    first, second, to = (dice.choice(_REGISTERS) for _ in range(3))
    size, back = dice.choice((1, 2, 4, 8)), dice.choice((1, 2, 4, 8))
    at = -8 * dice.randrange(1, 4)
    mode = dice.choice((_MEM, _MEMSX)) if back < 8 else _MEM
    over = (
        instruction(_STX | _MEM | _SIZES[size], 10, second, at)
        if dice.random() < 0.7
        else instruction(_ST | _MEM | _SIZES[size], 10, 0, at, _number(dice))
    )
    return [
        instruction(_STX | _MEM | _SIZES[8], 10, first, at),
        over,
        instruction(_LDX | mode | _SIZES[back], to, 10, at + back * dice.randrange(8 // back)),
    ]


def _frame(dice: random.Random) -> list[bytes]:
    """A register to anywhere behind those in the frame, and something back from there."""
    of, to = dice.choice(_REGISTERS), dice.choice(_REGISTERS)
    size, back = dice.choice((1, 2, 4, 8)), dice.choice((1, 2, 4, 8))
    mode = dice.choice((_MEM, _MEMSX)) if back < 8 else _MEM
    places = [FRAME_AT + LENGTH + dice.randrange(SCRATCH - width + 1) for width in (size, back)]
    return [
        instruction(_STX | _MEM | _SIZES[size], 2, of, places[0]),
        instruction(_LDX | mode | _SIZES[back], to, 2, places[1]),
    ]


def _atomic(dice: random.Random) -> list[bytes]:
    """A register to the stack, an atomic operation there, and what came of it."""
    first, operand, to = (dice.choice(_REGISTERS) for _ in range(3))
    size, at = dice.choice((4, 8)), -8 * dice.randrange(1, 4)
    op = dice.choice((_ADD, _AND, _OR, _XOR, _ADD | _FETCH, _AND | _FETCH, _OR | _FETCH, _XOR | _FETCH, 0xE1, 0xF1))
    return [
        instruction(_STX | _MEM | _SIZES[8], 10, first, at),
        instruction(_STX | _ATOMIC | _SIZES[size], 10, operand, at, op),
        instruction(_LDX | _MEM | _SIZES[8], to, 10, at),
    ]
