"""The stages of a quickstart."""

from mmgl.experiments.jobs import Stage, StageFactory, find_key, read_config

from .options import INITS, SCALES, QuickstartOptions


class _Planner:
    """Builds the stages of one quickstart."""

    def __init__(self, options: QuickstartOptions):
        self.options = options
        self.scale = SCALES[options.scale]
        self.factory = StageFactory(
            options.root, options.work_dir, options.workers
        )

    def data(self) -> Stage:
        return self.factory.data(
            self.options.data_root,
            self.scale.preset,
            self.scale.seconds.get('data', 1),
        )

    def pretrain(self, seed: int, data: Stage) -> Stage:
        return self.factory.train(
            self.options.pretrain_config,
            self.scale.pretrain,
            seed,
            data_root=self.options.data_root,
            needs=[data],
            **self._describe('pretrain', seed, 'pretrain', 'pre-train MMGL'),
        )

    def finetune(
        self, seed: int, init: str, data: Stage, pretrain: Stage
    ) -> Stage:
        return self.factory.train(
            self.options.finetune_config,
            self.scale.finetune,
            seed,
            data_root=self.options.data_root,
            needs=[data],
            init=init,
            source=pretrain if init == 'mmgl' else None,
            **self._describe(
                'finetune',
                seed,
                f'finetune_{init}',
                f'fine-tune AGW from {INITS[init]}',
            ),
        )

    def evaluate(self, seed: int, init: str, trained: Stage) -> Stage:
        return self.factory.evaluate(
            self.options.finetune_config,
            self.scale.finetune,
            trained,
            data_root=self.options.data_root,
            ingredients={'init': init},
            **self._describe(
                'evaluate',
                seed,
                f'evaluate_{init}',
                f'evaluate AGW from {INITS[init]}',
            ),
        )

    def _describe(self, kind: str, seed: int, name: str, title: str) -> dict:
        return dict(
            name=f'seed_{seed}/{name}',
            title=title,
            kind=kind,
            seconds=self.scale.seconds.get(kind, 1),
        )

    def num_stripes(self) -> int:
        config = read_config(
            self.options.root / self.options.pretrain_config,
            self.scale.pretrain,
        ).to_dict()
        paths = find_key(config, 'num_stripes')
        value = config if paths else 6
        for part in paths[0].split('.') if paths else ():
            value = value[int(part) if isinstance(value, list) else part]
        return int(value)


def plan_stages(options: QuickstartOptions) -> tuple[list[Stage], int]:
    """Plan all stages in the order they run.

    Args:
        options: What to do.

    Returns:
        The stages, and the number of stripes of the pre-training.

    Raises:
        FileNotFoundError: If a config is missing.
    """
    planner = _Planner(options)
    data = planner.data()
    stages = [data]
    for seed in range(options.seeds):
        pretrain = planner.pretrain(seed, data)
        stages.append(pretrain)
        trained = {
            init: planner.finetune(seed, init, data, pretrain)
            for init in INITS
        }
        stages += trained.values()
        stages += [
            planner.evaluate(seed, init, stage)
            for init, stage in trained.items()
        ]
    return stages, planner.num_stripes()
