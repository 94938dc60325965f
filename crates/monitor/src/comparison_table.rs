//! The figures of two runs as a table for a terminal.

use stentor_cli::columns::{self, Align::Left, Align::Right};
use stentor_core::escape;

use stentor_report::comparison::{Comparison, FigureGroup};

/// The runs by ID, and a row for each figure.
pub(crate) fn render(comparison: &Comparison) -> String {
    let [first, second] = comparison.runs.each_ref().map(|run| {
        let created = run.plan.created_at.as_deref().unwrap_or("-");
        format!("{}   made {created}", escape::escape_control(&run.plan.run))
    });
    let rows: Vec<[String; 4]> = comparison.groups.iter().flat_map(rows_of).collect();
    format!("A  {first}\nB  {second}\n{}", columns::lines(&rows, [Left, Right, Right, Right]))
}

/// A heading after an empty line, and the figures of the group.
fn rows_of(group: &FigureGroup) -> Vec<[String; 4]> {
    let heading = [group.title, "A", "B", "change"].map(str::to_owned);
    let figures = group.figures.iter().map(|pair| {
        let [first, second] = pair.texts();
        [format!("  {}", pair.name), first, second, pair.change()]
    });
    [std::array::from_fn(|_| String::new()), heading].into_iter().chain(figures).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_report::fixtures::compared;
    use stentor_run_view::fixtures::{reading, target};
    use stentor_run_view::view::RunView;

    #[test]
    fn a_run_beside_another() {
        insta::assert_snapshot!(render(&compared()));
    }

    #[test]
    fn rows_are_aligned_and_fit_a_usual_terminal() {
        let table = render(&compared());
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        let figures: Vec<&str> = table.lines().filter(|line| line.starts_with("  ")).collect();
        let width = figures[0].chars().count();
        assert!(figures.iter().all(|line| line.chars().count() == width), "{table}");
    }

    #[test]
    fn a_run_beside_itself_differs_in_nothing() {
        let run = RunView::first(reading(1_000, 500));
        let comparison = Comparison::of([&run, &run], &target(), 0);
        for line in render(&comparison).lines().filter(|line| line.starts_with("  ")) {
            assert!(line.ends_with(" =") || line.ends_with(" -"), "{line}");
        }
    }
}
