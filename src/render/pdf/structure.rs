//! The structure tree: what a screen reader reads, in which order (ISO 32000-1 14.7, ISO 14289-1).

use super::draw::rounded;
use super::file::{File, List, Ref, put, words};
use super::signature::STRUCT_PARENT;
use crate::page::{Length, Rect};

/// A piece of marked content, or the signature's widget.
#[derive(Clone)]
pub(super) struct Tag {
    /// Its number in the page's content; the widget is not in there.
    pub mark: Option<u32>,
    /// What it is.
    pub kind: Kind,
    /// The first line of a text, the area of a figure.
    pub place: Rect,
}

/// What a piece of marked content is.
#[derive(Clone, PartialEq)]
pub(super) enum Kind {
    /// Part of the heading.
    Title,
    /// A fixed word beside a value.
    Label,
    /// A value.
    Value,
    /// A picture and what it shows.
    Figure(String),
    /// The signature's widget and what it shows.
    Field(String),
}

impl Kind {
    /// The standard structure type.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Title => "H1",
            Self::Label | Self::Value => "P",
            Self::Figure(_) => "Figure",
            Self::Field(_) => "Form",
        }
    }
}

/// Adds the tree over the tags of face and licence; the answer is its root. `widget` is what a [`Kind::Field`] stands for.
pub(super) fn add_tree(file: &mut File, page: Ref, height: Length, tags: [&[Tag]; 2], widget: Option<Ref>) -> Ref {
    let [face, own] = tags;
    let root = file.promise();
    let document = file.promise();
    let mut children = Vec::new();
    // Each mark is given its element below.
    let mut parents = vec![document; face.len() + own.len() - usize::from(widget.is_some())];
    let mut field = None;
    for group in reading_order(face, own) {
        let element = file.small(|out| {
            put(out, format_args!("<</S/{}/P {document}/Pg {page}", group[0].kind.role()));
            if let Kind::Figure(alt) | Kind::Field(alt) = &group[0].kind {
                words(out, "Alt", alt);
                layout(out, group[0].place, height);
            }
            out.extend_from_slice(b"/K[");
            for (number, mark) in group.iter().filter_map(|tag| tag.mark).enumerate() {
                put(out, format_args!("{}{mark}", if number == 0 { "" } else { " " }));
            }
            if let (Kind::Field(_), Some(widget)) = (&group[0].kind, widget) {
                put(out, format_args!("<</Type/OBJR/Obj {widget}/Pg {page}>>"));
            }
            out.extend_from_slice(b"]>>");
        });
        if group[0].mark.is_none() {
            field = Some(element);
        }
        for mark in group.into_iter().filter_map(|tag| tag.mark) {
            parents[mark as usize] = element;
        }
        children.push(element);
    }
    file.keep(document, |out| put(out, format_args!("<</S/Document/P {root}/K{}>>", List(&children))));
    file.keep(root, |out| {
        put(out, format_args!("<</Type/StructTreeRoot/K {document}/ParentTree<</Nums[0{}", List(&parents)));
        if let Some(field) = field {
            put(out, format_args!(" {STRUCT_PARENT} {field}"));
        }
        put(out, format_args!("]>>/ParentTreeNextKey {}>>", 1 + usize::from(field.is_some())));
    });
    root
}

/// Where a figure lies, for readers that walk the page by its structure (ISO 32000-1 14.8.5.4.3).
fn layout(out: &mut Vec<u8>, area: Rect, height: Length) {
    let [left, bottom, right, top] =
        [area.x, height - area.bottom(), area.right(), height - area.y].map(|length| rounded(length.to_pt(), 3));
    put(out, format_args!("/A<</O/Layout/Placement/Block/BBox[{left} {bottom} {right} {top}]>>"));
}

/// Groups of tags that become one element each: the heading, then each value with the labels before it.
fn reading_order<'t>(face: &'t [Tag], own: &'t [Tag]) -> Vec<Vec<&'t Tag>> {
    let (titles, rest): (Vec<&Tag>, Vec<&Tag>) = face.iter().chain(own).partition(|tag| tag.kind == Kind::Title);
    let (labels, values): (Vec<&Tag>, Vec<&Tag>) = rest.into_iter().partition(|tag| tag.kind == Kind::Label);

    // What stands beside a value is read with it. What stands alone is read after the label before it in the layout.
    let mut before: Vec<Vec<&Tag>> = vec![Vec::new(); values.len()];
    let mut after: Vec<Vec<&Tag>> = vec![Vec::new(); values.len() + 1];
    let mut last = 0;
    for label in labels {
        if let Some(value) = beside(label, &values) {
            before[value].push(label);
            last = value + 1;
        } else {
            after[last].push(label);
        }
    }

    let mut order = Vec::new();
    order.extend((!titles.is_empty()).then_some(titles));
    let mut alone = after.into_iter();
    order.extend(alone.next().into_iter().flatten().map(|label| vec![label]));
    for ((value, mut group), alone) in values.into_iter().zip(before).zip(alone) {
        if matches!(value.kind, Kind::Figure(_) | Kind::Field(_)) {
            order.extend((!group.is_empty()).then_some(group));
            order.push(vec![value]);
        } else {
            group.push(value);
            order.push(group);
        }
        order.extend(alone.into_iter().map(|label| vec![label]));
    }
    order
}

/// The nearest value to the right of a label, on its line.
fn beside(label: &Tag, values: &[&Tag]) -> Option<usize> {
    let middle = label.place.centre().y;
    let on_line = |value: &Tag| value.place.y <= middle && middle <= value.place.bottom() && value.place.x > label.place.x;
    let gap = |value: &Tag| (value.place.x - label.place.right()).to_um().abs();
    let candidates = values.iter().enumerate().filter(|(_, value)| on_line(value));
    candidates.min_by_key(|(_, value)| gap(value)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(mark: u32, kind: Kind, x: f64, y: f64) -> Tag {
        let (w, h) = if matches!(kind, Kind::Figure(_)) { (30.0, 40.0) } else { (20.0, 5.0) };
        Tag { mark: Some(mark), kind, place: Rect::mm(x, y, w, h) }
    }

    #[test]
    fn labels_come_before_their_values_and_figures_stand_alone() {
        let figure = || Kind::Figure("照片".into());
        let face = [
            tag(0, Kind::Title, 50.0, 30.0),
            tag(1, Kind::Label, 20.0, 80.0),
            tag(2, Kind::Label, 20.0, 100.0),
            tag(3, Kind::Label, 20.0, 120.0),
            tag(4, Kind::Label, 20.0, 200.0),
        ];
        let own = [
            tag(5, Kind::Value, 60.0, 80.0),
            tag(6, Kind::Value, 60.0, 100.0),
            tag(7, figure(), 140.0, 78.0),
            tag(8, figure(), 60.0, 190.0),
            tag(9, Kind::Value, 60.0, 250.0),
        ];
        let order: Vec<Vec<u32>> = reading_order(&face, &own).iter().map(|g| g.iter().filter_map(|t| t.mark).collect()).collect();
        // Label 3 is a line to fill in by hand; label 4 belongs to the figure beside it.
        assert_eq!(order, [vec![0], vec![1, 5], vec![2, 6], vec![3], vec![7], vec![4], vec![8], vec![9]]);
    }
}
