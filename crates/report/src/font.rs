//! A bitmap font, 5 wide, 7 high and 2 below the line, drawn for this crate and in the public domain (CC0).

/// Size of a character with its gaps, in font pixels.
pub(crate) const ADVANCE: u32 = 6;
pub(crate) const LINE: u32 = 11;

/// The rows of a character from the top; bit 4 is the leftmost pixel. What the font lacks is shown as the nearest letter, or as `?`.
pub(crate) fn rows(character: char) -> [u8; 9] {
    let art = match character {
        ' '..='~' => ASCII[character as usize - 32],
        other => EXTRA
            .iter()
            .find(|(c, _)| *c == other)
            .map_or_else(|| ASCII[nearest(other) as usize - 32], |(_, art)| art),
    };
    let mut rows = [0; 9];
    for (row, digit) in rows.iter_mut().zip(art.bytes()) {
        *row = (digit as char).to_digit(32).unwrap_or(0) as u8;
    }
    rows
}

fn nearest(character: char) -> char {
    match character {
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        '—' | '−' => '-',
        'ä' | 'à' | 'á' | 'â' | 'å' | 'ã' => 'a',
        'ö' | 'ò' | 'ó' | 'ô' | 'ø' | 'õ' => 'o',
        'ü' | 'ù' | 'ú' | 'û' => 'u',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'Ä' | 'À' | 'Á' | 'Å' => 'A',
        'Ö' | 'Ó' | 'Ø' => 'O',
        'Ü' | 'Ú' => 'U',
        'É' | 'È' => 'E',
        'ç' => 'c',
        'ñ' => 'n',
        'ß' => 's',
        '\u{a0}' => ' ',
        _ => '?',
    }
}

/// One digit in base 32 per row: A is .###. #...# #...# #...# ##### #...# #...#, that is e h h h v h h.
#[rustfmt::skip]
const ASCII: [&str; 95] = [
    "0000000", "4444004", "aaa0000", "aavavaa", "4fke5u4", "op248j3", "cik8lid", "4480000", // space ! " # $ % & '
    "2488842", "8422248", "04lel40", "044v440", "0000c48", "000e000", "00000cc", "01248g0", // ( ) * + , - . /
    "ehjlphe", "4c4444e", "eh1248v", "v2421he", "26aiv22", "vgu11he", "68guhhe", "v124888", // 0 – 7
    "ehhehhe", "ehhf12c", "0cc0cc0", "0cc0c48", "248g842", "00v0v00", "8421248", "eh12404", // 8 9 : ; < = > ?
    "eh1dlle", "ehhhvhh", "uhhuhhu", "ehggghe", "sihhhis", "vgguggv", "vgguggg", "ehgnhhf", // @ A – G
    "hhhvhhh", "e44444e", "72222ic", "hikokih", "ggggggv", "hrllhhh", "hhpljhh", "ehhhhhe", // H – O
    "uhhuggg", "ehhhlid", "uhhukih", "fgge11u", "v444444", "hhhhhhe", "hhhhha4", "hhhllla", // P – W
    "hha4ahh", "hhha444", "v1248gv", "e88888e", "0g84210", "e22222e", "4ah0000", "000000v", // X Y Z [ \ ] ^ _
    "8420000", "00e1fhf", "ggmphhu", "00egghe", "11djhhf", "00ehvge", "698s888", "00fhhhf1e", // ` a – g
    "ggmphhh", "40c444e", "2062222ic", "ggikoki", "c44444e", "00qllhh", "00mphhh", "00ehhhe", // h – o
    "00uhhhugg", "00fhhhf11", "00mpggg", "00ege1u", "88s8896", "00hhhjd", "00hhha4", "00hhlla", // p – w
    "00ha4ah", "00hhhhf1e", "00v248v", "2448442", "4444444", "8442448", "008l200", // x y z { | } ~
];

#[rustfmt::skip]
const EXTRA: [(char, &str); 11] = [
    ('…', "000000l"), ('·', "0004000"), ('×', "0ha4ah0"), ('–', "000v000"),
    ('α', "00diiid"), ('β', "ehhuhhugg"), ('γ', "00hhaa444"), ('ζ', "u48ggge16"),
    ('λ', "8844ahh"), ('μ', "00hhhjtgg"), ('σ', "00fihhe"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter() {
        let picture = rows('A')
            .map(|row| (0..5).map(|x| if row >> (4 - x) & 1 == 1 { '#' } else { '.' }).collect::<String>());
        assert_eq!(
            picture,
            [".###.", "#...#", "#...#", "#...#", "#####", "#...#", "#...#", ".....", "....."]
        );
    }

    #[test]
    fn every_character_has_its_own_picture() {
        let characters = (' '..='~').chain(EXTRA.iter().map(|(c, _)| *c));
        let pictures: std::collections::HashMap<_, _> = characters.clone().map(|c| (rows(c), c)).collect();
        assert_eq!(pictures.len(), characters.count());
        assert!(
            ASCII.iter().chain(EXTRA.iter().map(|(_, art)| art)).all(|art| art.len() == 7 || art.len() == 9)
        );
    }

    #[test]
    fn what_is_missing() {
        assert_eq!(rows('é'), rows('e'));
        assert_eq!(rows('漢'), rows('?'));
    }
}
