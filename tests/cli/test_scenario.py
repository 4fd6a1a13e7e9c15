"""What the demo's clients set out to do, and what they understand of what they hear."""

from primefixd.cli.scenario import FINAL, KINDS, plan


def test_the_plan_has_every_kind_and_every_session() -> None:
    sessions = {"a": ["a1", "a2"], "b": ["b1", "b2", "b3"]}
    planned = plan(200, 3, ("a", "b"), sessions)
    assert len({each.key for each in planned}) == 200 and {each.kind for each in planned} == set(KINDS)
    assert {each.terms["session"] for each in planned if each.client == 2} == {"a1", "a2", "b1", "b2", "b3"}
    assert {kind.ends for kind in KINDS} <= FINAL
