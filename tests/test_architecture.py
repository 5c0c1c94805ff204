"""The rules of the house, read from the source by ``ast``."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    p for p in (ROOT / 'mmgl').rglob('*.py') if '.mim' not in p.parts
)
CONFIGS = sorted((ROOT / 'configs').rglob('*.py'))
SCRIPTS = sorted(
    p
    for folder in ('tools', 'benchmarks')
    for p in (ROOT / folder).rglob('*.py')
)
TEXTS = [
    p
    for folder in (
        'mmgl',
        'configs',
        'tools',
        'benchmarks',
        'docs',
        'requirements',
    )
    for p in (ROOT / folder).rglob('*')
    if p.suffix in ('.py', '.sh', '.md', '.txt', '.yml')
    and '.mim' not in p.parts
] + list(ROOT.glob('*.md'))

# Plain torch, numpy and OpenCV: no registry, no config, no Runner.
FUNCTIONAL = (
    'mmgl.models.functional',
    'mmgl.evaluation.ranking',
    'mmgl.datasets.synthetic',
    'mmgl.protocols',
    'mmgl.utils.workers',
)
# Longest prefix decides.
FLOORS = {
    'mmgl': 9,
    'mmgl.version': 0,
    'mmgl.registry': 1,
    'mmgl.structures': 1,
    'mmgl.protocols': 1,
    'mmgl.utils': 2,
    'mmgl.evaluation': 2,
    'mmgl.visualization': 2,
    'mmgl.datasets': 3,
    'mmgl.gallery': 3,
    'mmgl.checkpoints': 4,
    'mmgl.config': 4,
    'mmgl.models': 5,
    'mmgl.engine': 6,
    'mmgl.apis': 7,
    'mmgl.experiments': 8,
    'mmgl.serving': 8,
}
# These never import one another, except for what is on floor 1.
SIBLINGS = ('mmgl.datasets', 'mmgl.models', 'mmgl.evaluation')
FRAMEWORKS = ('mmengine', 'mmcv', 'mmpretrain')
MAX_LINES = 320


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports(path):
    """Absolute names of all modules a file imports, wherever it does."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = []
            if node.level:
                base = package[: len(package) - node.level + 1]
            module = '.'.join(base + ([node.module] if node.module else []))
            yield module
            # `from . import a` may import a module.
            for alias in node.names:
                candidate = ROOT.joinpath(*module.split('.'), alias.name)
                if (
                    candidate.with_suffix('.py').exists()
                    or (candidate / '__init__.py').exists()
                ):
                    yield f'{module}.{alias.name}'


def prefix_of(name, prefixes):
    matching = [p for p in prefixes if name == p or name.startswith(f'{p}.')]
    return max(matching, key=len) if matching else None


def show(path):
    return str(path.relative_to(ROOT))


def tree_of(path):
    return ast.parse(path.read_text(encoding='utf-8'))


def check_none(wrong):
    """Fail with everything that is wrong, not only the first."""
    wrong = list(wrong)
    assert not wrong, '\n' + '\n'.join(wrong)


def test_sources_are_found():
    # The rules below would hold for nothing at all.
    assert len(SOURCES) > 20 and len(CONFIGS) > 5 and len(SCRIPTS) > 1


def test_functional_core_is_plain():
    def wrong():
        for path in SOURCES:
            if not prefix_of(module_name(path), FUNCTIONAL):
                continue
            for target in imports(path):
                plain = target.split('.')[0] not in FRAMEWORKS
                own = target == 'mmgl' or prefix_of(
                    target, (*FUNCTIONAL, 'mmgl.version')
                )
                if not plain or target.startswith('mmgl') and not own:
                    yield f'{show(path)} imports {target}'

    check_none(wrong())


def test_floors():
    def wrong():
        for path in SOURCES:
            name = module_name(path)
            floor = FLOORS[prefix_of(name, FLOORS)]
            sibling = prefix_of(name, SIBLINGS)
            for target in imports(path):
                own = prefix_of(target, FLOORS)
                if own in (None, 'mmgl'):
                    continue
                other = prefix_of(target, SIBLINGS)
                if FLOORS[own] > floor:
                    yield f'{show(path)} imports {target} from a floor above'
                elif sibling and other and sibling != other:
                    yield f'{show(path)} imports its neighbour {target}'

    check_none(wrong())


def test_no_circles():
    """Modules import one another in one direction only."""
    modules = {module_name(path): path for path in SOURCES}
    graph = {
        name: {
            target
            for target in imports(path)
            if target in modules and target != name
        }
        for name, path in modules.items()
    }
    # Packages: their __init__ imports their own modules, which is no circle.
    for name, path in modules.items():
        if path.name == '__init__.py':
            graph[name] = set()
    done, trail = set(), []

    def visit(name):
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name not in done:
            trail.append(name)
            for target in sorted(graph[name]):
                circle = visit(target)
                if circle:
                    return circle
            trail.pop()
            done.add(name)
        return None

    for name in graph:
        circle = visit(name)
        assert not circle, ' -> '.join(circle)


def test_visualization_uses_no_model():
    check_none(
        f'{show(path)} imports {target}'
        for path in (ROOT / 'mmgl/visualization').rglob('*.py')
        for target in imports(path)
        if prefix_of(target, ('mmgl.models', 'mmgl.datasets'))
    )


def test_no_compiled_operators():
    check_none(
        show(path)
        for path in SOURCES + SCRIPTS
        for target in imports(path)
        if target.startswith('mmcv.ops')
    )


def test_no_asserts():
    # They vanish under python -O; an error also names the remedy.
    check_none(
        f'{show(path)}:{node.lineno}'
        for path in SOURCES + SCRIPTS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Assert)
    )


def test_configs_import_nothing():
    # mmengine takes some modules of the standard library for lazy configs.
    check_none(
        f'{show(path)} imports {target}'
        for path in CONFIGS
        for target in imports(path)
    )


def test_leaf_configs_are_short():
    check_none(
        show(path)
        for path in CONFIGS
        if '_base_' not in path.parts
        and len(path.read_text(encoding='utf-8').splitlines()) > 20
    )


def test_no_machine_paths():
    pattern = re.compile(r'(?<![\w.])/(?:work|tmp|root|home|mnt|opt)/\w+')
    check_none(
        f'{show(path)}: {found[0]}'
        for path in TEXTS
        if (found := pattern.search(path.read_text(encoding='utf-8')))
    )


def test_files_are_short():
    lengths = {
        path: len(path.read_text(encoding='utf-8').splitlines())
        for path in SOURCES + SCRIPTS
    }
    check_none(
        f'{show(path)}: {n} lines'
        for path, n in lengths.items()
        if n > MAX_LINES
    )


def public_objects(tree):
    """Public classes, functions and methods of a module, with their names."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or (
            node.name.startswith('_')
        ):
            continue
        yield node.name, node
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(item, ast.FunctionDef) and not (
                item.name.startswith('_')
            ):
                yield f'{node.name}.{item.name}', item


def test_everything_public_has_a_docstring():
    def wrong():
        for path in SOURCES + SCRIPTS:
            tree = tree_of(path)
            if path.name != '__init__.py' and not ast.get_docstring(tree):
                yield show(path)
            for name, node in public_objects(tree):
                if not ast.get_docstring(node):
                    yield f'{show(path)}: {name}'

    check_none(wrong())
