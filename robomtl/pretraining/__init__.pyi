from .pretrain_run import pretrain as pretrain
