# UniMatch V2 with the selection and the mixing of C3-SemiSeg: DCRS and cross-set CutMix
_base_ = './unimatch_v2.py'

method = dict(
    selector=dict(
        _delete_=True, type='DynamicConfidentRegionSelection', keep_ratio=0.8, momentum=0.1
    ),
    mixing=dict(_delete_=True, type='CrossSetCutMix', pairs='random', area=0.5),
)
