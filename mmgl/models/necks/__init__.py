from .global_feature_neck import GlobalFeatureNeck

__all__ = ['GlobalFeatureNeck']
