//! What the licence numbers of a type look like.

/// Provinces as numbers abbreviate them (GB/T 2260, and 新疆生产建设兵团's 兵).
const PROVINCES: &str = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川蜀贵黔云滇藏陕秦甘陇青宁新兵台港澳";

/// One way in which numbers are built: `@1###########`.
pub(super) struct NumberShape(Vec<Sign>);

enum Sign {
    /// `#`: a digit.
    Digit,
    /// `@`: a province's abbreviation.
    Province,
    /// The character itself.
    Exactly(char),
}

impl NumberShape {
    pub fn parse(shape: &str) -> Result<Self, String> {
        if shape.is_empty() {
            return Err("the shape of a number is empty; write # for a digit and @ for a province's abbreviation".to_owned());
        }
        let sign = |ch| match ch {
            '#' => Sign::Digit,
            '@' => Sign::Province,
            other => Sign::Exactly(other),
        };
        Ok(Self(shape.chars().map(sign).collect()))
    }

    pub fn matches(&self, number: &str) -> bool {
        let mut rest = number.chars();
        let all = self.0.iter().all(|sign| {
            rest.next().is_some_and(|ch| match sign {
                Sign::Digit => ch.is_ascii_digit(),
                Sign::Province => PROVINCES.contains(ch),
                Sign::Exactly(wanted) => ch == *wanted,
            })
        });
        all && rest.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::NumberShape;

    #[test]
    fn a_shape_takes_its_numbers_and_no_others() {
        let shape = NumberShape::parse("@建安C1（####）#######").unwrap();
        assert!(shape.matches("京建安C1（2015）0000001"));
        for other in ["京建安C1（2015）000001", "京建安C1（2015）00000011", "木建安C1（2015）0000001", "京建安C2（2015）0000001", ""]
        {
            assert!(!shape.matches(other), "{other}");
        }
        assert!(NumberShape::parse("").is_err());
    }
}
