"""What lies among data and is none."""

from infonoise_core.folders.strays import is_shown, own_folders, without_ours


def test_hidden_files_and_what_systems_leave_are_not_shown() -> None:
    shown = ["a.png", "./a.png", "cats/a.png", "a.b/c.png", "thumbs/x.png",
             "../a.png", "../../cats/a.png"]  # fmt: skip
    hidden = [".a.png", "cats/._a.png", "@eaDir/a.png", "x/@EaDir/a.png", ".git/objects/a.png",
              "__MACOSX/cats/a.png", "$RECYCLE.BIN/a.png", "lost+found/a.png", "x/Thumbs.db",
              "#recycle/a.png", "../.a.png"]  # fmt: skip
    assert [p for p in shown + hidden if is_shown(p)] == shown


def test_runs_models_and_profiles_of_ours_are_told_by_what_they_hold() -> None:
    paths = [
        "cats/1.png",
        "new/infonoise.json", "new/samples/step-1.png",
        "old/config.json", "old/metrics.jsonl", "old/samples/step-1.png",
        "pulled/card.json", "pulled/model.safetensors", "pulled/README.md",
        "theirs/config.json", "theirs/2.png",
        "runs/deep/config.json", "runs/deep/config.yaml", "runs/deep/checkpoints/x", "runs/3.png",
    ]  # fmt: skip
    assert own_folders(paths) == {"new", "old", "pulled", "runs/deep"}
    kept = [paths[i] for i in without_ours(paths)]
    assert kept == ["cats/1.png", "theirs/config.json", "theirs/2.png", "runs/3.png"]


def test_a_folder_that_is_itself_a_run_leaves_nothing() -> None:
    paths = ["infonoise.json", "config.json", "samples/step-1.png"]
    assert own_folders(paths) == {"."}
    assert without_ours(paths) == []
