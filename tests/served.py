"""What tests of the service share: calls and uploads."""

READ, WRITE = 'r' * 20, 'w' * 20
LOCAL = 'http://127.0.0.1'


def files(photographs):
    return sorted(photographs.rglob('*.png'))


def upload(path, name='image'):
    return (name, (path.name, path.read_bytes()))


def post(client, path, uploads, **data):
    return client.post(f'/v1/{path}', files=uploads, data=data)


def bearer(token):
    return {'Authorization': f'Bearer {token}'}
