//! Deterministic identifiers: the same sequence of calls gives the same ids.

/// `i-` and 17 hexadecimal digits.
pub(crate) fn instance_id(number: u64) -> String {
    format!("i-0ab{number:014x}")
}

/// 32 hexadecimal digits, as tasks and container instances have.
pub(crate) fn hex32(kind: u64, number: u64) -> String {
    format!(
        "{:016x}{number:016x}",
        mix(kind.wrapping_mul(1_000_003).wrapping_add(number))
    )
}

/// A UUID, as request ids and lifecycle action tokens have.
pub(crate) fn uuid(kind: u64, number: u64) -> String {
    let word = mix(kind.wrapping_mul(7_919).wrapping_add(number));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{number:012x}",
        word >> 32,
        (word >> 16) & 0xffff,
        word & 0xfff,
        (word >> 12) & 0xfff
    )
}

/// splitmix64: one step, good enough to make ids look like ids and to draw seeded faults.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
