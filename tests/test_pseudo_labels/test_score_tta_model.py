import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_contrast.pseudo_labels import ScoreTTAModel, class_scores


@pytest.mark.parametrize('channels', [1, 3])
def test_merged_views_keep_the_mean_score(channels):
    class Inner(torch.nn.Module):
        out_channels = channels
        decode_head = type('Head', (), {'threshold': 0.5})

    model = ScoreTTAModel.__new__(ScoreTTAModel)
    torch.nn.Module.__init__(model)
    model.module = Inner()
    logits = torch.randn(2, channels, 4, 5)
    views = [SegDataSample(seg_logits=PixelData(data=x)) for x in logits]
    for view in views:
        view.set_metainfo({'img_path': 'a'})
    (merged,) = model.merge_preds([views])
    scores = class_scores(merged.seg_logits.data)
    expected = torch.stack([class_scores(x) for x in logits]).mean(0)
    torch.testing.assert_close(scores, expected)
    sure = [
        SegDataSample(seg_logits=PixelData(data=30 + x), metainfo={'img_path': 'a'}) for x in logits
    ]
    (certain,) = model.merge_preds([sure])
    assert certain.seg_logits.data.isfinite().all(), 'a single channel has no score of 1'
    assert torch.equal(merged.pred_sem_seg.data.squeeze().long(), expected.argmax(0))
