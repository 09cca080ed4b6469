//! Compiles a part of a template into a program: ranges of the part copied as they are, and places that are filled.
//!
//! A field is a content control whose tag is the field's name, or `{{字段}}` typed as text. `{{字段=选项}}` is a check
//! box. A table row with `列表.列` is repeated. `{{#块}}` … `{{/块}}`, or a content control around rows or paragraphs
//! with the block's name as tag, is an optional part.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Fault;
use super::definition::{Definition, Kind, nearest};
use super::xml::{Id, Tree};

/// What stands at a place: a single field, or a column of a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// A field of the definition.
    Field(usize),
    /// List and column.
    Column(usize, usize),
}

/// One step of a part's program.
#[derive(Debug)]
pub enum Node {
    /// Copied from the template.
    Copy(Range<usize>),
    /// Copied for the first row of a repetition only: ids must be unique in a document (ECMA-376 part 1, 17.5.2.18).
    CopyOnce(Range<usize>),
    /// Written as it is.
    Write(String),
    /// The value, inside a `w:t` that is open.
    Value(Place),
    /// The value as children of a run.
    Run(Place),
    /// One of two texts, by whether the value is that option.
    Pick(Place, String, [&'static str; 2]),
    /// A picture's content control: as in the template when there is no picture, else the nodes.
    Control(Place, Range<usize>, Vec<Node>),
    /// Once for every row of the list.
    Repeat(usize, Vec<Node>),
    /// Only when the block is printed.
    Block(usize, Vec<Node>),
}

/// A compiled part.
pub struct Program {
    /// Name of the part in the package.
    pub part: String,
    /// The part itself.
    pub source: String,
    /// What to do.
    pub nodes: Vec<Node>,
}

/// Compiles a part; every fault with page, table and a text that stands near it.
pub fn compile(definition: &Definition, part: &str, source: &str) -> Result<Program, Vec<Fault>> {
    let tree = Tree::parse(source).map_err(|message| vec![Fault::new(part.to_owned(), message)])?;
    let mut compiler = Compiler {
        definition,
        tree: &tree,
        part,
        edits: Vec::new(),
        spans: Vec::new(),
        rows: BTreeMap::new(),
        markers: Vec::new(),
        faults: Vec::new(),
    };
    let replaced = compiler.controls();
    compiler.texts(&replaced);
    compiler.pair_markers();
    compiler.repetitions();
    let Compiler { mut edits, mut spans, faults, .. } = compiler;
    if !faults.is_empty() {
        return Err(faults);
    }
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    // Outer before inner; a block around exactly the repeated rows decides first.
    spans.sort_by_key(|(range, span)| (range.start, std::cmp::Reverse(range.end), *span));
    let mut builder = Builder { edits: edits.into_iter().peekable(), spans: spans.into_iter().peekable() };
    let nodes = builder.build(0..source.len());
    Ok(Program { part: part.to_owned(), source: source.to_owned(), nodes })
}

/// A range of the template with a role of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Span {
    Block(usize),
    Repeat(usize),
}

/// A place or a mark that a name in the template stands for.
enum Name {
    Value(Place),
    Option(Place, String),
    Block(usize),
}

struct Marker {
    block: usize,
    opens: bool,
    paragraph: Id,
}

struct Compiler<'a> {
    definition: &'a Definition,
    tree: &'a Tree<'a>,
    part: &'a str,
    edits: Vec<(Range<usize>, Vec<Node>)>,
    spans: Vec<(Range<usize>, Span)>,
    /// Rows with columns of a list.
    rows: BTreeMap<Id, usize>,
    markers: Vec<Marker>,
    faults: Vec<Fault>,
}

impl Compiler<'_> {
    /// Content controls with a known tag. Returns the ranges whose content is replaced.
    fn controls(&mut self) -> Vec<Range<usize>> {
        let tree = self.tree;
        let mut replaced: Vec<Range<usize>> = Vec::new();
        for sdt in tree.ids().filter(|&id| tree.name(id) == "w:sdt") {
            if replaced.iter().any(|r| r.contains(&tree.at(sdt).all.start)) {
                continue;
            }
            let (Some(properties), Some(content)) = (tree.child(sdt, "w:sdtPr"), tree.child(sdt, "w:sdtContent")) else { continue };
            let Some(tag) = tree.child(properties, "w:tag").and_then(|tag| tree.value(tag, "w:val")) else { continue };
            if tag.trim().is_empty() {
                continue;
            }
            if tree.child(properties, "w:dataBinding").is_some() {
                self.fault(sdt, format!("内容控件“{tag}”绑定了文档属性，Word 打开时会改掉填好的内容：请删除后插入普通的内容控件"));
            }
            match self.resolve(&tag) {
                Err(message) => self.fault(sdt, message),
                Ok(Name::Block(block)) => self.block_control(sdt, content, block),
                Ok(name) => replaced.extend(self.field_control(sdt, properties, content, &tag, &name)),
            }
        }
        replaced
    }

    fn block_control(&mut self, sdt: Id, content: Id, block: usize) {
        let tree = self.tree;
        if tree.child(content, "w:p").or(tree.child(content, "w:tbl")).or(tree.child(content, "w:tr")).is_none() {
            self.fault(sdt, format!("可选部分“{}”的内容控件应包住整行或整段", self.definition.blocks.name(block)));
        }
        if let Some(cell) = tree.at(sdt).parent.filter(|&parent| tree.name(parent) == "w:tc")
            && tree.child(cell, "w:p").is_none()
        {
            self.fault(sdt, "单元格里除了可选部分，还要留一个空段落".to_owned());
        }
        self.spans.push((tree.at(sdt).all.clone(), Span::Block(block)));
    }

    fn field_control(&mut self, sdt: Id, properties: Id, content: Id, tag: &str, name: &Name) -> Option<Range<usize>> {
        let tree = self.tree;
        let first_run = tree.inside(content).find(|&id| tree.name(id) == "w:r");
        let range = match tree.child(content, "w:p").or_else(|| tree.child(content, "w:tc").and_then(|tc| tree.child(tc, "w:p"))) {
            None if tree.child(content, "w:tr").is_some() || tree.child(content, "w:tbl").is_some() => {
                self.fault(sdt, format!("字段“{tag}”的内容控件包住了整行，应只包住单元格里的文字"));
                return None;
            }
            None => tree.at(content).inner.clone(),
            Some(first) => {
                let holder = tree.at(first).parent.expect("a child has a parent");
                let last = tree.at(holder).children.iter().copied().rfind(|&id| tree.name(id) == "w:p").unwrap_or(first);
                let start = tree.child(first, "w:pPr").map_or(tree.at(first).inner.start, |ppr| tree.at(ppr).all.end);
                let end = tree.at(last).inner.end;
                if start >= end && tree.raw(&tree.at(first).tag).ends_with("/>") {
                    self.fault(sdt, format!("字段“{tag}”的内容控件里没有可写的段落，请在其中输入一个字再存"));
                    return None;
                }
                start..end
            }
        };
        if range.is_empty() && tree.raw(&tree.at(content).tag).ends_with("/>") {
            self.fault(sdt, format!("字段“{tag}”的内容控件是空的，请在其中输入一个字再存"));
            return None;
        }
        // A placeholder's grey style goes, whatever else the clerk chose stays.
        let look = first_run.and_then(|run| tree.child(run, "w:rPr")).map_or_else(String::new, |rpr| {
            let style = tree.child(rpr, "w:rStyle").filter(|_| tree.child(properties, "w:showingPlcHdr").is_some());
            let raw = tree.raw(&tree.at(rpr).all);
            style.map_or_else(|| raw.to_owned(), |style| raw.replacen(tree.raw(&tree.at(style).all), "", 1))
        });
        let mut nodes = vec![Node::Write(format!("<w:r>{look}"))];
        match name {
            Name::Option(place, option) => {
                self.check_box(properties, *place, option);
                nodes.push(Node::Write("<w:t>".to_owned()));
                nodes.push(Node::Pick(*place, option.clone(), BOXES));
                nodes.push(Node::Write("</w:t>".to_owned()));
            }
            Name::Value(place) => nodes.push(Node::Run(*place)),
            Name::Block(_) => return None,
        }
        nodes.push(Node::Write("</w:r>".to_owned()));
        if let (Name::Value(place), Some(_)) = (name, tree.child(properties, "w:picture")) {
            nodes = vec![Node::Control(*place, range.clone(), nodes)];
        }
        for unwanted in ["w:showingPlcHdr", "w:temporary"].iter().filter_map(|name| tree.child(properties, name)) {
            self.edits.push((tree.at(unwanted).all.clone(), Vec::new()));
        }
        let date = tree.child(properties, "w:date").and_then(|date| tree.attribute(date, "w:fullDate"));
        self.edits.extend(date.map(|(_, place)| (place, Vec::new())));
        self.edits.push((range.clone(), nodes));
        self.note_row(sdt, name);
        Some(range)
    }

    fn check_box(&mut self, properties: Id, place: Place, option: &str) {
        let tree = self.tree;
        let checked = tree.child(properties, "w14:checkbox").and_then(|b| tree.child(b, "w14:checked"));
        if let Some((_, at)) = checked.and_then(|c| tree.attribute(c, "w14:val")) {
            let value = [Node::Write(" w14:val=\"".into()), Node::Pick(place, option.to_owned(), ["1", "0"]), Node::Write("\"".into())];
            self.edits.push((at, value.into()));
        }
    }

    /// `{{字段}}` in text, also when Word has split it over several runs.
    fn texts(&mut self, replaced: &[Range<usize>]) {
        let tree = self.tree;
        let mut paragraphs: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        for t in tree.ids().filter(|&id| tree.name(id) == "w:t") {
            let start = tree.at(t).all.start;
            if let Some(paragraph) = tree.around(t, "w:p").filter(|_| !replaced.iter().any(|r| r.contains(&start))) {
                paragraphs.entry(paragraph).or_default().push(t);
            }
        }
        for (paragraph, texts) in paragraphs {
            let whole: String = texts.iter().map(|&t| tree.raw(&tree.at(t).inner)).collect();
            let mut touched = Vec::new();
            let mut from = 0;
            while let Some(open) = find_any(&whole[from..], OPEN).map(|i| from + i) {
                let inner = open + opening(&whole[open..]);
                let Some(close) = find_any(&whole[inner..], CLOSE).map(|i| inner + i) else {
                    self.fault(paragraph, format!("“{}”缺少结尾的 }}}}", shorten(&whole[open..])));
                    break;
                };
                let end = close + opening(&whole[close..]);
                self.token(paragraph, &texts, open..end, &whole[inner..close], &mut touched);
                from = end;
            }
            touched.sort_unstable();
            touched.dedup();
            for t in touched {
                // Values may begin and end with spaces.
                if tree.attribute(t, "xml:space").is_none() {
                    self.edits.push((tree.at(t).tag.clone(), vec![Node::Write("<w:t xml:space=\"preserve\">".to_owned())]));
                }
            }
        }
    }

    fn token(&mut self, paragraph: Id, texts: &[Id], range: Range<usize>, name: &str, touched: &mut Vec<Id>) {
        let name: String = quick_xml::escape::unescape(name).unwrap_or(name.into()).split_whitespace().collect();
        let mut nodes = Vec::new();
        if let Some((opens, block)) = name.strip_prefix('#').map(|n| (true, n)).or_else(|| name.strip_prefix('/').map(|n| (false, n))) {
            match self.definition.blocks.position(block.trim()) {
                Some(block) => self.markers.push(Marker { block, opens, paragraph }),
                None => self.fault(paragraph, self.unknown("可选部分", block.trim())),
            }
        } else {
            match self.resolve(&name) {
                Err(message) => self.fault(paragraph, message),
                Ok(Name::Block(_)) => self.fault(paragraph, format!("“{name}”是可选部分，应写作 {{{{#{name}}}}} … {{{{/{name}}}}}")),
                Ok(resolved) => {
                    self.note_row(paragraph, &resolved);
                    nodes.push(match resolved {
                        Name::Option(place, option) => Node::Pick(place, option, BOXES),
                        Name::Value(place) => Node::Value(place),
                        Name::Block(_) => return,
                    });
                }
            }
        }
        let mut at = 0;
        for &t in texts {
            let inner = self.tree.at(t).inner.clone();
            let (start, end) = (range.start.max(at), range.end.min(at + inner.len()));
            if start < end {
                self.edits.push((inner.start + start - at..inner.start + end - at, std::mem::take(&mut nodes)));
                touched.push(t);
            }
            at += inner.len();
        }
    }

    /// Optional parts between `{{#块}}` and `{{/块}}`: whole rows when both stand in one table, else whole paragraphs.
    fn pair_markers(&mut self) {
        let tree = self.tree;
        let mut open: Vec<Marker> = Vec::new();
        for marker in std::mem::take(&mut self.markers) {
            let name = self.definition.blocks.name(marker.block).to_owned();
            if marker.opens {
                open.push(marker);
                continue;
            }
            let Some(first) = open.pop_if(|first| first.block == marker.block) else {
                self.fault(marker.paragraph, format!("{{{{/{name}}}}} 前面没有与它相配的 {{{{#{name}}}}}"));
                continue;
            };
            let row = |paragraph| tree.around(paragraph, "w:tr");
            let parent = |id: Id| tree.at(id).parent;
            let (from, to) = match (row(first.paragraph), row(marker.paragraph)) {
                _ if parent(first.paragraph) == parent(marker.paragraph) && first.paragraph != marker.paragraph => {
                    (first.paragraph, marker.paragraph)
                }
                (Some(a), Some(b)) if parent(a) == parent(b) => (a, b),
                (None, None) if parent(first.paragraph) == parent(marker.paragraph) => (first.paragraph, marker.paragraph),
                _ => {
                    self.fault(first.paragraph, format!("{{{{#{name}}}}} 与 {{{{/{name}}}}} 应在同一个表格的行里，或都在表格外"));
                    continue;
                }
            };
            self.spans.push((tree.at(from).all.start..tree.at(to).all.end, Span::Block(marker.block)));
            self.drop_bare(first.paragraph);
            self.drop_bare(marker.paragraph);
        }
        for marker in open {
            let name = self.definition.blocks.name(marker.block).to_owned();
            self.fault(marker.paragraph, format!("{{{{#{name}}}}} 后面没有 {{{{/{name}}}}}"));
        }
    }

    /// A paragraph with nothing but a marker leaves no empty line, unless its cell needs it.
    fn drop_bare(&mut self, paragraph: Id) {
        let tree = self.tree;
        let text = tree.visible(paragraph);
        let text = text.trim();
        let bare = text.starts_with("{{") && text.ends_with("}}") && text.matches("{{").count() == 1;
        let alone = tree
            .at(paragraph)
            .parent
            .is_some_and(|p| tree.name(p) == "w:tc" && tree.at(p).children.iter().filter(|&&c| tree.name(c) == "w:p").count() == 1);
        let holds_section = tree.child(paragraph, "w:pPr").is_some_and(|ppr| tree.child(ppr, "w:sectPr").is_some());
        if bare && !alone && !holds_section {
            let all = tree.at(paragraph).all.clone();
            self.edits.retain(|(range, _)| range.start < all.start || range.end > all.end);
            self.edits.push((all, Vec::new()));
        }
    }

    /// Neighbouring rows with columns of one list are repeated together.
    fn repetitions(&mut self) {
        let tree = self.tree;
        let mut groups: Vec<(Range<usize>, usize, Id)> = Vec::new();
        for (&row, &list) in &self.rows {
            let all = &tree.at(row).all;
            let parent = tree.at(row).parent.expect("a row is in a table");
            match groups.last_mut() {
                Some((range, same, table)) if *same == list && *table == parent && tree.text[range.end..all.start].trim().is_empty() => {
                    range.end = all.end;
                }
                _ => groups.push((all.clone(), list, parent)),
            }
        }
        for (range, list, _) in groups {
            for id in tree.ids().filter(|&id| range.contains(&tree.at(id).all.start)) {
                self.only_once(id);
            }
            self.spans.push((range, Span::Repeat(list)));
        }
    }

    /// Ids that must not be there twice.
    fn only_once(&mut self, id: Id) {
        let tree = self.tree;
        let parent = tree.at(id).parent.map_or("", |parent| tree.name(parent));
        let whole = match tree.name(id) {
            "w:bookmarkStart" | "w:bookmarkEnd" => true,
            "w:id" => parent == "w:sdtPr",
            _ => false,
        };
        let mut ranges = Vec::new();
        if whole {
            ranges.push(tree.at(id).all.clone());
        } else {
            ranges.extend(["w14:paraId", "w14:textId"].iter().filter_map(|name| tree.attribute(id, name)).map(|(_, place)| place));
        }
        for range in ranges {
            if !self.edits.iter().any(|(edit, _)| edit.start <= range.start && range.end <= edit.end) {
                self.edits.push((range.clone(), vec![Node::CopyOnce(range)]));
            }
        }
    }

    fn note_row(&mut self, at: Id, name: &Name) {
        let (Name::Value(Place::Column(list, _)) | Name::Option(Place::Column(list, _), _)) = name else { return };
        let Some(row) = self.tree.around(at, "w:tr") else {
            let list = self.definition.lists.name(*list);
            self.fault(at, format!("列表“{list}”的字段应放在表格的一行里，这一行会重复"));
            return;
        };
        let before = *self.rows.entry(row).or_insert(*list);
        if before != *list {
            let (a, b) = (self.definition.lists.name(before), self.definition.lists.name(*list));
            self.fault(at, format!("同一行里有两个列表的字段（“{a}”和“{b}”），不知道按哪一个重复"));
        }
    }

    fn resolve(&self, name: &str) -> Result<Name, String> {
        // Names have no spaces; `姓 名` and `姓　名` are how clerks space them out.
        let name: &str = &name.split_whitespace().collect::<String>();
        let place = |name: &str| match self.definition.fields.position(name) {
            Some(field) => Some(Place::Field(field)),
            None => self.definition.column(name).map(|(list, column)| Place::Column(list, column)),
        };
        if let Some(place) = place(name) {
            return Ok(Name::Value(place));
        }
        if let Some(block) = self.definition.blocks.position(name) {
            return Ok(Name::Block(block));
        }
        let Some((field, option)) = name.split_once('=') else { return Err(self.unknown("字段", name)) };
        let Some(place) = place(field.trim()) else { return Err(self.unknown("字段", field.trim())) };
        let options = &super::field(self.definition, place).options;
        let option = option.trim();
        if !options.iter().any(|known| known == option) {
            return Err(format!("“{field}”没有选项“{option}”，可用的选项：{}", options.join("、")));
        }
        Ok(Name::Option(place, option.to_owned()))
    }

    fn unknown(&self, what: &str, name: &str) -> String {
        let hint = nearest(name, self.definition.names()).map_or_else(String::new, |near| format!("，是不是“{near}”？"));
        format!("{what}“{}”没有定义{hint}", shorten(name))
    }

    fn fault(&mut self, at: Id, message: String) {
        self.faults.push(Fault::new(self.whereabouts(at), message));
    }

    /// Page, table, row and a text near it: what a clerk can find.
    fn whereabouts(&self, at: Id) -> String {
        let tree = self.tree;
        let before = tree.at(at).all.start;
        let count = |test: &dyn Fn(Id) -> bool| tree.ids().take_while(|&id| tree.at(id).all.start <= before).filter(|&id| test(id)).count();
        let mut place = match self.part.rsplit('/').next() {
            Some(name) if name.starts_with("header") => "页眉".to_owned(),
            Some(name) if name.starts_with("footer") => "页脚".to_owned(),
            _ => {
                let rendered = count(&|id| tree.name(id) == "w:lastRenderedPageBreak");
                let breaks = count(&|id| {
                    tree.name(id) == "w:pageBreakBefore" || (tree.name(id) == "w:br" && tree.value(id, "w:type").as_deref() == Some("page"))
                });
                format!("第 {} 页", 1 + rendered.max(breaks))
            }
        };
        if let Some(table) = tree.ancestors(at).filter(|&id| tree.name(id) == "w:tbl").last() {
            let number = count(&|id| tree.name(id) == "w:tbl" && tree.around(id, "w:tbl").is_none());
            let row = tree.around(at, "w:tr").map_or(0, |row| {
                tree.inside(table).filter(|&id| tree.name(id) == "w:tr" && id <= row && tree.around(id, "w:tbl") == Some(table)).count()
            });
            place = format!("{place}第 {number} 个表格第 {row} 行");
        }
        let scope = tree.around(at, "w:tr").unwrap_or(at);
        let near = tree.visible(scope);
        if near.trim().is_empty() { place } else { format!("{place}，“{}”附近", shorten(near.trim())) }
    }
}

/// The definition's fields that stand nowhere in the programs.
pub fn missing(definition: &Definition, programs: &[Program]) -> Vec<String> {
    let mut placed = Vec::new();
    for program in programs {
        places(&program.nodes, &mut placed);
    }
    let used = definition.used_elsewhere();
    let fields = (0..definition.fields.len()).filter(|&i| !used.contains(definition.fields.name(i))).map(Place::Field);
    let lists = (0..definition.lists.len()).flat_map(|l| (0..definition.lists.at(l).fields.len()).map(move |c| Place::Column(l, c)));
    fields.chain(lists).filter(|place| !placed.contains(place)).map(|place| super::full_name(definition, &place)).collect()
}

/// Every place that is filled.
pub fn places(nodes: &[Node], found: &mut Vec<Place>) {
    for node in nodes {
        match node {
            Node::Value(place) | Node::Run(place) | Node::Pick(place, ..) | Node::Control(place, ..) => found.push(*place),
            Node::Repeat(_, inner) | Node::Block(_, inner) => places(inner, found),
            Node::Copy(_) | Node::CopyOnce(_) | Node::Write(_) => {}
        }
    }
}

struct Builder<E: Iterator, S: Iterator> {
    edits: std::iter::Peekable<E>,
    spans: std::iter::Peekable<S>,
}

impl<E, S> Builder<E, S>
where
    E: Iterator<Item = (Range<usize>, Vec<Node>)>,
    S: Iterator<Item = (Range<usize>, Span)>,
{
    fn build(&mut self, range: Range<usize>) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut at = range.start;
        loop {
            let edit = self.edits.peek().map(|(r, _)| r.start).filter(|&start| start < range.end);
            let span = self.spans.peek().map(|(r, _)| r.start).filter(|&start| start < range.end);
            let Some(next) = edit.into_iter().chain(span).min() else { break };
            if at < next {
                nodes.push(Node::Copy(at..next));
            }
            if span == Some(next) {
                let (inner, kind) = self.spans.next().expect("just looked at");
                at = inner.end;
                let body = self.build(inner);
                nodes.push(match kind {
                    Span::Block(block) => Node::Block(block, body),
                    Span::Repeat(list) => Node::Repeat(list, body),
                });
            } else {
                let (place, replacement) = self.edits.next().expect("just looked at");
                at = place.end;
                nodes.extend(replacement);
            }
        }
        if at < range.end {
            nodes.push(Node::Copy(at..range.end));
        }
        nodes
    }
}

const BOXES: [&str; 2] = ["☑", "☐"];
const OPEN: [&str; 2] = ["{{", "｛｛"];
const CLOSE: [&str; 2] = ["}}", "｝｝"];

/// Where the first of two brackets stands.
fn find_any(text: &str, brackets: [&str; 2]) -> Option<usize> {
    brackets.iter().filter_map(|bracket| text.find(bracket)).min()
}

/// Length of the bracket that a text begins with: two half-width or two full-width characters.
fn opening(text: &str) -> usize {
    text.chars().take(2).map(char::len_utf8).sum()
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(16).collect();
    if text.chars().nth(16).is_some() {
        short.push('…');
    }
    short
}

/// Whether a picture would be cut off where it stands: a line of exact height clips it.
pub fn clipped_pictures(definition: &Definition, source: &str) -> Vec<String> {
    let Ok(tree) = Tree::parse(source) else { return Vec::new() };
    let mut clipped = Vec::new();
    for (name, _) in definition.fields.iter().filter(|(_, f)| matches!(f.kind, Kind::Picture | Kind::Qr)) {
        let holds = |p: Id| {
            tree.visible(p).contains(&format!("{{{{{name}}}}}"))
                || tree.inside(p).any(|id| tree.name(id) == "w:tag" && tree.value(id, "w:val").as_deref() == Some(name))
        };
        let exact = |p: Id| {
            let spacing = tree.child(p, "w:pPr").and_then(|ppr| tree.child(ppr, "w:spacing"));
            spacing.is_some_and(|s| tree.value(s, "w:lineRule").as_deref() == Some("exact"))
        };
        if tree.ids().filter(|&id| tree.name(id) == "w:p").any(|p| exact(p) && holds(p)) {
            clipped.push(format!("图片“{name}”所在段落的行距是固定值，图片会被切掉：请改为单倍行距"));
        }
    }
    clipped
}
