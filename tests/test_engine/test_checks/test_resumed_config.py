from mmseg_contrast.engine.checks.resumed_config import check_resumed, check_same_config


def test_first_difference_of_configs_is_named():
    old = {'type': 'A', 'heads': [{'channels': 4}, {'channels': 8}], 'init_cfg': 'x', 'n': (1, 2)}
    new = {'type': 'A', 'heads': [{'channels': 4}, {'channels': 9}], 'init_cfg': 'y', 'n': [1, 2]}
    (problem,) = check_same_config(old, new)
    assert problem.place == 'model.heads[1].channels'
    assert 'it was 8 in the run to resume, and is 9' in problem.what
    assert check_same_config(old, {**old, 'pretrained': 'z', 'n': [1, 2]}) == []
    (problem,) = check_same_config(old, {**old, 'extra': 1})
    assert problem.place == 'model.extra'
    (problem,) = check_same_config(old, {**old, 'heads': []})
    assert problem.place == 'model.heads'
    assert 'was a list of 2 in the run to resume, and is a list of 0' in problem.what


def test_a_resumed_run_may_have_other_folders_and_cores():
    old = {
        'model': {'type': 'A', 'pretrained': 'x'},
        'train_dataloader': {'num_workers': 2, 'dataset': {'data_root': 'here', 'n': 1}},
        'optim_wrapper': {'optimizer': {'lr': 0.1}},
        'val_cfg': 1,
    }
    new = {
        **old,
        'model': {'type': 'A', 'pretrained': 'y'},
        'train_dataloader': {'num_workers': 4, 'dataset': {'data_root': 'there', 'n': 1}},
        'val_cfg': 2,
    }
    assert check_resumed(old, new) == []
    new['optim_wrapper'] = {'optimizer': {'lr': 0.2}}
    new['train_dataloader'] = {'num_workers': 4, 'dataset': {'data_root': 'there', 'n': 3}}
    assert [problem.place for problem in check_resumed(old, new)] == [
        'train_dataloader.dataset.n',
        'optim_wrapper.optimizer.lr',
    ]
