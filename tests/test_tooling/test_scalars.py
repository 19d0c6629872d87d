from mmseg_contrast.tooling.scalars import find_scalars, read_scalars


def test_logs_from_old_to_new_without_a_line_that_was_cut_off(tmp_path):
    for name in ('20260102', '20260101'):
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text(f'{{"step": 1, "run": "{name}"}}\n{{"step": 2, "lo')
    logs = find_scalars(tmp_path)
    assert [list(read_scalars(log)) for log in logs] == [
        [{'step': 1, 'run': '20260101'}],
        [{'step': 1, 'run': '20260102'}],
    ]
    assert find_scalars(logs[0]) == [logs[0]]
