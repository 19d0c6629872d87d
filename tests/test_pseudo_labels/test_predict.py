import pytest
from mmengine.config import Config

from mmseg_contrast.pseudo_labels.predict import prediction_config, without_masks


def test_masks_are_not_loaded_however_deep():
    load = {'type': 'LoadAnnotations'}
    resize = {'type': 'A', 'scale': (320, 240)}
    pipeline = [resize, load, {'type': 'T', 'transforms': [[{'type': 'B'}, load], [load]]}]
    assert without_masks(pipeline) == [
        resize,
        {'type': 'T', 'transforms': [[{'type': 'B'}]]},
    ]


def config(**more):
    load = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}]
    dataset = {'type': 'CamVidDataset', 'data_root': 'data', 'pipeline': load}
    test = {'test_dataloader': {'dataset': dataset}}
    return Config({'model': {'type': 'EncoderDecoder'}, 'train_cfg': {}, **test, **more})


def test_the_test_reads_no_mask_and_knows_the_classes():
    cfg = config()
    made = prediction_config(cfg, 'photos', tta=False)
    dataset = made.test_dataloader.dataset
    assert dataset.pipeline == [{'type': 'LoadImageFromFile'}]
    assert dataset.data_prefix == {'img_path': 'photos'}
    assert dataset.like == cfg.test_dataloader.dataset
    assert made.model.type == 'EncoderDecoder' and made.train_cfg is None
    assert cfg.train_cfg == {}, 'the config that was given stays as it was'


def test_views_of_test_time_augmentation():
    views = [{'type': 'TestTimeAug', 'transforms': [[{'type': 'LoadAnnotations'}]]}]
    made = prediction_config(config(tta_model={}, tta_pipeline=views), 'photos', tta=True)
    assert made.model == {'type': 'ScoreTTAModel', 'module': {'type': 'EncoderDecoder'}}
    assert made.test_dataloader.dataset.pipeline == [{'type': 'TestTimeAug', 'transforms': []}]
    with pytest.raises(ValueError, match='tta needs tta_model and tta_pipeline in'):
        prediction_config(config(), 'photos', tta=True)
