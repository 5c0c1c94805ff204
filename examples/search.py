"""Find who of the photographs of a day looks like the person of a night.

    python examples/search.py WEIGHTS DAY_FOLDER NIGHT_IMAGE

WEIGHTS is a bundle (`mmgl publish`) or a checkpoint of fine-tuning.
"""

import argparse
from pathlib import Path

import mmgl


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('weights')
    parser.add_argument('day', type=Path)
    parser.add_argument('night', type=Path)
    parser.add_argument('--gallery', default='people.db')
    args = parser.parse_args()
    embedder = mmgl.Embedder(args.weights)
    paths = sorted(p for p in args.day.rglob('*') if p.is_file())
    with mmgl.Gallery.open(args.gallery, embedder.model_hash) as gallery:
        # Known names are replaced, so the script may run again.
        names = [path.relative_to(args.day).as_posix() for path in paths]
        facts = [dict(modality='visible', folder=p.parent.name) for p in paths]
        gallery.upsert(embedder.embed(paths, 'visible'), names, facts)
        query = embedder.embed(args.night, 'infrared')
        for match in gallery.search(query, top=5)[0]:
            print(f'{match.score:.3f}  {match.name}')


if __name__ == '__main__':
    main()
