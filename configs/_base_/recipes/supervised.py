# Labels alone, with plain MMSeg
_base_ = ['./recipe.py', '../methods/supervised.py', '../default_runtime.py']

method = dict(type='EncoderDecoder')
