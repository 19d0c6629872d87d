from mmseg.registry import DATASETS

from mmseg_contrast.datasets.data_pages import data_page


def test_the_name_of_the_page_and_the_converter_are_told():
    assert data_page('CamVidDataset') == (
        ' (see docs/data/camvid.md: tools/dataset_converters/camvid.py writes it)'
    )
    assert data_page({'type': 'UnlabeledDataset', 'like': {'type': 'mmseg.BDD100KDataset'}}) == (
        ' (see docs/data/bdd100k.md)'
    )
    assert data_page(DATASETS.get('mmseg.PascalVOCDataset')).startswith(' (see docs/data/voc12aug')
    assert data_page('BaseSegDataset') == data_page({}) == ''
