from .mmgl_pretrainer import MMGLPretrainer

__all__ = ['MMGLPretrainer']
