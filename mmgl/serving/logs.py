"""Everything that the process says, a line of JSON each."""

import json
import logging
import logging.config
from datetime import datetime, timezone


class JsonLines(logging.Formatter):
    """Time, level and text; of a request its facts, of an error its place."""

    def format(self, record: logging.LogRecord) -> str:
        """Make one line."""
        when = datetime.fromtimestamp(record.created, timezone.utc)
        line = dict(
            time=when.isoformat(timespec='milliseconds'),
            level=record.levelname.lower(),
            message=record.getMessage(),
            **getattr(record, 'facts', {}),
        )
        if record.exc_info:
            line['error'] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_as_json() -> None:
    """Let the loggers of the service and of its server write such lines."""
    logging.config.dictConfig(
        dict(
            version=1,
            disable_existing_loggers=False,
            formatters=dict(json={'()': JsonLines}),
            handlers=dict(
                lines={'class': 'logging.StreamHandler', 'formatter': 'json'}
            ),
            root=dict(handlers=['lines'], level='WARNING'),
            loggers={
                name: dict(level='INFO')
                for name in ('mmgl.serving', 'uvicorn')
            },
        )
    )
