//! Splits Markdown into sentences, without its code.
//!
//! A sentence has two texts of equal length: the text as it was written, and a mask of it. In the
//! mask a code span is one word of underscores, and the target of a link is blank. So an offset in
//! the mask is an offset in the text.

/// A sentence, with the line that each part of it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) mask: String,
    /// The offset at which each line begins, with the number of the line.
    lines: Vec<(usize, usize)>,
    pub(crate) in_table: bool,
}

impl Sentence {
    /// Returns the number of the line that has the byte at `offset`.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        let begun = self.lines.iter().rev().find(|(start, _)| *start <= offset);
        begun.map_or(0, |(_, line)| *line)
    }

    /// Returns `true` if the sentence ends with a question mark.
    pub(crate) fn is_question(&self) -> bool {
        let closing = |c: char| c.is_whitespace() || "*_)\"'".contains(c);
        self.mask.trim_end_matches(closing).ends_with('?')
    }
}

/// Returns the sentences of `lines`, each of which is a number and a text.
pub(crate) fn sentences(lines: &[(usize, String)]) -> Vec<Sentence> {
    let mut blocks = Blocks::default();
    for (number, line) in lines {
        blocks.add(*number, line);
    }
    blocks.end();
    blocks.sentences
}

/// The blocks of a Markdown text, read line by line.
#[derive(Default)]
struct Blocks {
    sentences: Vec<Sentence>,
    /// The lines of the paragraph that is being read.
    paragraph: Vec<(usize, String)>,
    /// The fence that ends the code block that is being read.
    fence: Option<String>,
    in_html_comment: bool,
    in_list: bool,
    after_blank: bool,
}

impl Blocks {
    fn add(&mut self, number: usize, line: &str) {
        let trimmed = line.trim();
        let after_blank = std::mem::replace(&mut self.after_blank, trimmed.is_empty());
        if let Some(fence) = &self.fence {
            if trimmed.starts_with(fence.as_str()) {
                self.fence = None;
            }
            return;
        }
        if self.in_html_comment || trimmed.starts_with("<!--") {
            self.in_html_comment = !trimmed.contains("-->");
            return;
        }
        if let Some(fence) = ["```", "~~~"].iter().find(|f| trimmed.starts_with(**f)) {
            self.end();
            self.fence = Some((*fence).to_owned());
            return;
        }
        let is_indented = line.starts_with("    ") && after_blank && !self.in_list;
        let is_rule = trimmed.len() > 2 && trimmed.chars().all(|c| "-=*_".contains(c));
        if trimmed.is_empty() || is_indented || is_rule || is_definition(trimmed) {
            self.end();
            return;
        }
        if trimmed.starts_with('|') {
            self.end();
            self.add_row(number, trimmed);
            return;
        }
        if trimmed.starts_with('#') {
            self.end();
            let heading = trimmed.trim_start_matches('#').trim().to_owned();
            self.paragraph.push((number, heading));
            self.end();
            return;
        }
        let quoted = trimmed.trim_start_matches('>').trim_start();
        if let Some(item) = list_item(quoted) {
            self.end();
            self.in_list = true;
            self.paragraph.push((number, item.to_owned()));
        } else {
            self.in_list &= !after_blank || line.starts_with(' ');
            self.paragraph.push((number, quoted.to_owned()));
        }
    }

    /// Adds each cell of a row as a sentence of its own.
    fn add_row(&mut self, number: usize, row: &str) {
        let mask = mask(row);
        let is_bar = |at: &usize| {
            mask.as_bytes()[*at] == b'|' && (*at == 0 || mask.as_bytes()[at - 1] != b'\\')
        };
        let bars: Vec<usize> = (0..row.len()).filter(is_bar).collect();
        let ends = bars.iter().skip(1).copied().chain([row.len()]);
        for (start, end) in bars.iter().zip(ends) {
            let cell = row[start + 1..end.max(start + 1)].trim();
            if cell.chars().any(char::is_alphanumeric) {
                self.sentences
                    .extend(split(&[(number, cell.to_owned())], true));
            }
        }
    }

    /// Ends the paragraph that is being read.
    fn end(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        self.sentences.extend(split(&paragraph, false));
    }
}

/// Returns `true` for the line that gives a link's name its target.
fn is_definition(line: &str) -> bool {
    line.starts_with('[') && line.contains("]: ")
}

/// Returns the text of a list item without its bullet or number.
fn list_item(line: &str) -> Option<&str> {
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if (1..=3).contains(&digits) {
        return line[digits..].strip_prefix(". ");
    }
    ["- ", "* ", "+ "]
        .iter()
        .find_map(|bullet| line.strip_prefix(bullet))
}

/// Joins the lines of a paragraph, and splits it into sentences.
pub(crate) fn split(paragraph: &[(usize, String)], in_table: bool) -> Vec<Sentence> {
    let mut text = String::new();
    let mut lines = Vec::new();
    for (number, line) in paragraph {
        if !text.is_empty() {
            text.push(' ');
        }
        lines.push((text.len(), *number));
        text.push_str(line);
    }
    let mask = mask(&text);
    let mut found = Vec::new();
    let mut start = 0;
    for end in ends(&mask) {
        let lines_here = lines
            .iter()
            .enumerate()
            .filter(|(at, (offset, _))| {
                let next = lines.get(at + 1).map_or(usize::MAX, |(next, _)| *next);
                *offset < end && next > start
            })
            .map(|(_, (offset, number))| (offset.saturating_sub(start), *number))
            .collect();
        let sentence = Sentence {
            text: text[start..end].to_owned(),
            mask: mask[start..end].to_owned(),
            lines: lines_here,
            in_table,
        };
        if sentence.text.chars().any(char::is_alphanumeric) {
            found.push(sentence);
        }
        start = end;
    }
    found
}

/// Returns the offsets after which a sentence ends: at a mark, a space and no lower-case letter.
fn ends(mask: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut marked = false;
    let mut after_space = false;
    for (at, c) in mask.char_indices() {
        if c.is_whitespace() {
            after_space = marked;
            continue;
        }
        if after_space && !c.is_lowercase() {
            found.push(at);
        }
        after_space = false;
        if c == '.' && ["e.g", "i.e"].iter().any(|word| mask[..at].ends_with(word)) {
            continue;
        }
        marked = ".!?".contains(c) || (marked && "*_)\"'".contains(c));
    }
    found.push(mask.len());
    found
}

/// Returns `text` with code spans as underscores, and with links' targets, tags and entities blank.
pub(crate) fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut mask = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (length, filling) = match bytes[at] {
            b'`' => (code_span(rest), '_'),
            b'h' if rest.starts_with("http://") || rest.starts_with("https://") => {
                (rest.find([' ', ')', '>']), '_')
            }
            b'(' | b'[' if at > 0 && bytes[at - 1] == b']' => {
                let close = if bytes[at] == b'(' { ')' } else { ']' };
                (rest.find(close).map(|end| end + 1), ' ')
            }
            b'<' if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => {
                (rest.find('>').map(|end| end + 1), ' ')
            }
            b'&' => {
                let name = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '#');
                let is_entity = |end: &usize| *end > 0 && rest[1 + end..].starts_with(';');
                (name.filter(is_entity).map(|end| end + 2), ' ')
            }
            _ => (None, ' '),
        };
        if let Some(length) = length {
            mask.extend(std::iter::repeat_n(filling, length));
            at += length;
        } else {
            let c = rest.chars().next().unwrap();
            mask.push(c);
            at += c.len_utf8();
        }
    }
    mask
}

/// Returns the length of the code span at the start of `text`.
pub(crate) fn code_span(text: &str) -> Option<usize> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let mut at = ticks;
    while at < text.len() {
        let start = at + text[at..].find('`')?;
        let rest = &text[start..];
        let run = rest.len() - rest.trim_start_matches('`').len();
        at = start + run;
        if run == ticks {
            return Some(at);
        }
    }
    None
}
