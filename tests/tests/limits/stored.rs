//! The stored item of a limit: other profiles under its name, and damage.

use serde_json::{Value, json};
use stentor_tests::{Stack, now_ms, wait_until};

use crate::load::Load;
use crate::rate_limit::{Profile, end};

/// Returns the item of the limit.
pub fn limiter(stack: &Stack) -> Value {
    let items = stack.aws().scan(&format!("{}-metrics", stack.name()));
    items.into_iter().find(|item| item["run"]["S"] == "provider").unwrap_or(Value::Null)
}

#[test]
fn a_profile_without_a_limit_does_not_pass_one_that_is_in_use() {
    let _load = Load::idle();
    let (stack, profile) = (Stack::deploy(), Profile::new(50.0));
    end(vec![profile.deliver(&stack, 20)]);
    profile.0.write("name = \"test\"\n");
    let refused = profile.sender(&stack).run().exits(1);
    for words in ["'test'", "parts_per_second: stored 50, this sender none"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

#[test]
fn other_limits_under_the_same_name_are_an_error_and_other_prices_are_stored() {
    let _load = Load::idle();
    let (stack, profile) = (Stack::deploy(), Profile::new(50.0));
    let run = stack.produce("-m 20");
    let sender = profile.sender(&stack).start();
    wait_until("parts were reserved", || stack.count(&run).sent > 0);
    let priced = Profile::new(50.0);
    priced.write(50.0, "[price]\nper_part = 0.0083\n");
    let other = priced.sender(&stack).start();
    wait_until("the prices are stored", || {
        limiter(&stack)["profile"]["M"]["price"]["M"]["per_part"]["N"] == "0.0083"
    });
    let conflicting = Profile::new(100.0);
    let refused = conflicting.sender(&stack).run().exits(1);
    for words in ["'test'", "parts_per_second: stored 50, this sender 100"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    priced.write(50.0, "[[carriers]]\nname = \"A\"\nshare = 1.0\ndaily_parts = 7\n");
    let refused = priced.sender(&stack).run().exits(1);
    let caps = "with other limits or daily caps: daily_parts of 'A': stored none, this sender 7\n";
    assert!(refused.stderr.contains(caps), "{}", refused.stderr);
    end(vec![sender, other]);
    // As if nothing had been sent for two minutes.
    let mut item = limiter(&stack);
    let past = now_ms() - 120_000;
    item["tat"] = json!({"N": (past * 1_000).to_string()});
    stack.put("metrics", &item);
    let replaced = conflicting.deliver(&stack, 20);
    assert!(replaced.stderr_so_far().contains("replaced the stored provider profile 'test', and its limits"));
    end(vec![replaced]);
}

#[test]
fn a_sender_whose_messages_a_cap_refuses_notices_that_another_replaced_its_caps() {
    let _load = Load::idle();
    let (stack, profile) = (Stack::deploy(), Profile::new(50.0));
    profile.write(50.0, "[[carriers]]\nname = \"A\"\nshare = 1.0\ndaily_parts = 5\n");
    // They use the cap.
    let sender = profile.deliver(&stack, 5);
    // As another sender does once nothing has been sent for a minute.
    let mut item = limiter(&stack);
    item["profile"]["M"]["carriers"]["L"][0]["M"]["daily_parts"] = json!({"N": "7"});
    stack.put("metrics", &item);
    stack.produce("-m 1");
    let refused = sender.finish().exits(1);
    let difference = "daily_parts of 'A': stored 7, this sender 5";
    assert!(refused.stderr.contains(difference), "{}", refused.stderr);
}

#[test]
fn a_damaged_limit_is_repaired_with_a_warning() {
    let _load = Load::idle();
    let (stack, profile) = (Stack::deploy(), Profile::new(50.0));
    end(vec![profile.deliver(&stack, 20)]);
    let ahead = (now_ms() + 2 * 3_600_000) * 1_000;
    for damage in [json!({"N": ahead.to_string()}), json!({"S": "soon"})] {
        let mut item = limiter(&stack);
        item["tat"] = damage;
        stack.put("metrics", &item);
        let sender = profile.deliver(&stack, 20);
        let warnings = sender.stderr_so_far();
        assert_eq!(warnings.matches("was damaged").count(), 1, "{warnings}");
        end(vec![sender]);
    }
}
