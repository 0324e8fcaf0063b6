//! Sets of ASCII characters, and how random a text of them looks.

/// How much of a secret is looked at to judge it, in bytes: what is refused costs no more, so a scan stays linear.
pub(super) const JUDGED_BYTES_MAX: usize = 128;

/// A set of ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alphabet(u128);

pub(super) const DIGIT: Alphabet = Alphabet::of(b"0123456789");
pub(super) const LOWER: Alphabet = Alphabet::of(b"abcdefghijklmnopqrstuvwxyz");
pub(super) const UPPER: Alphabet = Alphabet::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ");
pub(super) const LETTER: Alphabet = LOWER.and(UPPER);
pub(super) const ALNUM: Alphabet = LETTER.and(DIGIT);
pub(super) const HEX: Alphabet = DIGIT.and(Alphabet::of(b"abcdef"));
pub(super) const LOWER_ALNUM: Alphabet = LOWER.and(DIGIT);
pub(super) const UPPER_ALNUM: Alphabet = UPPER.and(DIGIT);
pub(super) const WORD: Alphabet = ALNUM.and(Alphabet::of(b"_"));
/// Base 64 as URLs hold it.
pub(super) const DASHED: Alphabet = WORD.and(Alphabet::of(b"-"));
pub(super) const DOTTED: Alphabet = DASHED.and(Alphabet::of(b"."));
pub(super) const BASE64: Alphabet = ALNUM.and(Alphabet::of(b"+/="));
/// What credentials of an HTTP header are written with, in either base 64.
pub(super) const TOKEN68: Alphabet = DOTTED.and(BASE64).and(Alphabet::of(b"~"));
/// What passwords are written with where nothing is quoted.
pub(super) const PASSWORD: Alphabet = TOKEN68.and(Alphabet::of(b"!@#%^*?:"));

impl Alphabet {
    /// The set of these characters; others than ASCII are left out.
    pub(super) const fn of(characters: &[u8]) -> Self {
        let (mut set, mut rest) = (0_u128, characters);
        while let [first, others @ ..] = rest {
            if first.is_ascii() {
                set |= 1 << *first;
            }
            rest = others;
        }
        Self(set)
    }

    /// Both sets together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the character is in it.
    pub(super) const fn has(self, byte: u8) -> bool {
        byte.is_ascii() && self.0 >> byte & 1 == 1
    }

    /// How many bytes at the beginning are in it, counted up to `limit`.
    pub(super) fn run(self, bytes: &[u8], limit: usize) -> usize {
        bytes.iter().take(limit).take_while(|byte| self.has(**byte)).count()
    }

    /// How many bytes at the end are in it, counted up to `limit`.
    pub(super) fn run_back(self, bytes: &[u8], limit: usize) -> usize {
        bytes.iter().rev().take(limit).take_while(|byte| self.has(**byte)).count()
    }

    /// How many of the bytes are in it.
    pub(super) fn count(self, bytes: &[u8]) -> usize {
        bytes.iter().filter(|byte| self.has(**byte)).count()
    }
}

/// Shannon's entropy of the bytes, in bits per byte: 0 for `xxxx`, about 4.5 for 40 random letters and digits.
pub(super) fn entropy_bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    let mut total = 0_u32;
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
            total += 1;
        }
    }
    let share = |count: &u32| f64::from(*count) / f64::from(total);
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

/// How often a letter follows a digit or a digit a letter: words and numbers change seldom, drawn text often.
pub(super) fn changes(bytes: &[u8]) -> usize {
    let is_change = |pair: &&[u8]| match pair {
        [a, b] => (DIGIT.has(*a) && LETTER.has(*b)) || (LETTER.has(*a) && DIGIT.has(*b)),
        _ => false,
    };
    bytes.windows(2).filter(is_change).count()
}

/// Whether it is a UUID in its usual form: an id, not a secret.
pub(super) fn is_uuid(bytes: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    bytes.len() == 36 && bytes.iter().enumerate().all(fits)
}

/// Whether the text stands for a secret instead of being one, as in documentation.
pub(super) fn is_placeholder(bytes: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [b"example", b"placeholder", b"changeme", b"redacted", b"xxxx", b"****"];
    WORDS.iter().any(|word| bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// Whether letters and digits, or letters of both cases, are among the bytes.
pub(super) fn is_varied(bytes: &[u8]) -> bool {
    let has = |set: Alphabet| set.count(bytes) > 0;
    (has(DIGIT) && has(LETTER)) || (has(UPPER) && has(LOWER))
}

/// The longest piece of it without a separator.
pub(super) fn longest_piece(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| !ALNUM.has(*byte)).max_by_key(|piece| piece.len()).unwrap_or_default()
}

/// Whether the piece takes turns between letters and digits, as drawn text does and names seldom do.
pub(super) fn is_drawn(piece: &[u8]) -> bool {
    /// A shorter piece may be anything.
    const BYTES_MIN: usize = 12;
    piece.len() >= BYTES_MIN
        && DIGIT.count(piece) >= 2
        && LETTER.count(piece) >= 2
        && changes(piece) >= 3
        && entropy_bits(piece) >= 3.0
}
