//! Mutations of known inputs, the same in every run: what a fuzzer does, without its feedback.

/// Larger than what is committed, small enough to be quick.
const MOST_BYTES: usize = 8 * 1024;
/// Bytes that mean something to JSON, to TOML or to UTF-8.
const TELLING: &[u8] = b"\"'[]{}:,=.#\\/\n\r\t \0-+0189eEZT\x7f\x80\xc0\xe2\xff";

/// A seeded source of mutations.
pub struct Mutator {
    state: u64,
    corpus: Vec<Vec<u8>>,
    dictionary: Vec<Vec<u8>>,
}

impl Mutator {
    /// Of these inputs, with these tokens.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>, dictionary: Vec<Vec<u8>>) -> Self {
        Self {
            state: seed,
            corpus,
            dictionary,
        }
    }

    /// The next mutation.
    pub fn input(&mut self) -> Vec<u8> {
        let mut input = self.known();
        for _ in 0..=self.below(4) {
            self.mutate(&mut input);
            input.truncate(MOST_BYTES);
        }
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(8)).min(input.len());
        match self.below(13) {
            0 => self.flip(input),
            1 => self.set(input),
            2 => input.truncate(at),
            3 => drop(input.drain(at..end)),
            4 => self.insert(input, at, 1),
            5 | 6 => {
                let token = self.token();
                input.splice(at..at, token);
            }
            7 => {
                let token = self.token();
                input.splice(at..end, token);
            }
            8 => self.splice(input, at),
            9 => self.repeat(input, at),
            10 => self.nest(input, at),
            11 => self.number(input, at),
            _ => {
                let length = 1 + self.below(300);
                self.insert(input, at, length);
            }
        }
    }

    fn flip(&mut self, input: &mut [u8]) {
        let (at, bit) = (self.below(input.len()), self.below(8));
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    fn set(&mut self, input: &mut [u8]) {
        let (at, telling) = (self.below(input.len()), self.telling());
        if let Some(byte) = input.get_mut(at) {
            *byte = telling;
        }
    }

    /// So many of the same byte.
    fn insert(&mut self, input: &mut Vec<u8>, at: usize, count: usize) {
        let byte = self.telling();
        input.splice(at..at, std::iter::repeat_n(byte, count));
    }

    /// The rest is another's.
    fn splice(&mut self, input: &mut Vec<u8>, at: usize) {
        let other = self.known();
        let from = self.below(other.len() + 1);
        input.truncate(at);
        input.extend(other.into_iter().skip(from));
    }

    /// What follows comes several times.
    fn repeat(&mut self, input: &mut Vec<u8>, at: usize) {
        let length = 1 + self.below(64);
        let piece: Vec<u8> = input.iter().skip(at).take(length).copied().collect();
        for _ in 0..=self.below(40) {
            input.splice(at..at, piece.iter().copied());
        }
    }

    fn nest(&mut self, input: &mut Vec<u8>, at: usize) {
        let depth = self.below(400);
        let (open, close): (&[u8], &[u8]) = match self.below(3) {
            0 => (b"[", b"]"),
            1 => (b"{\"a\":", b"}"),
            _ => (b"{a=", b"}"),
        };
        let mut nested = open.repeat(depth);
        nested.extend_from_slice(b"1");
        // Some are not closed.
        if self.below(2) == 0 {
            nested.extend(close.repeat(depth));
        }
        input.splice(at..at, nested);
    }

    fn number(&mut self, input: &mut Vec<u8>, at: usize) {
        let digits = 1 + self.below(400);
        let digit = b'0' + u8::try_from(self.below(10)).unwrap_or(0);
        let mut number: Vec<u8> = std::iter::repeat_n(digit, digits).collect();
        if self.below(2) == 0 {
            number.extend_from_slice(b"e999");
        }
        if self.below(2) == 0 {
            number.insert(0, b'-');
        }
        input.splice(at..at, number);
    }

    fn known(&mut self) -> Vec<u8> {
        let at = self.below(self.corpus.len());
        self.corpus.get(at).cloned().unwrap_or_default()
    }

    fn token(&mut self) -> Vec<u8> {
        let at = self.below(self.dictionary.len());
        self.dictionary.get(at).cloned().unwrap_or_default()
    }

    fn telling(&mut self) -> u8 {
        let at = self.below(TELLING.len());
        TELLING.get(at).copied().unwrap_or_default()
    }

    /// Less than `end`, or 0. SplitMix64.
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = usize::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0);
        drawn.checked_rem(end).unwrap_or(0)
    }
}
