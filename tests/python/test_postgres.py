"""What an application on PostgreSQL may have set up otherwise."""
import asyncio
import json

import asyncpg
import psycopg
import psycopg.rows
import pytest

from ringcast.outbox import (NotInTransactionError, create_outbox_event,
                             create_outbox_event_async)


def test_a_role_with_the_rights_of_a_writer_is_enough(postgres, fields, tenant):
    role = f"writer_{tenant}"
    with psycopg.connect(postgres.store.url, autocommit=True) as admin:
        admin.execute(f"create role {role}")
        try:
            admin.execute(f"select ringcast.grant_writer('{role}')")
            with psycopg.connect(postgres.store.url) as db:
                db.execute(f"set local role {role}")
                create_outbox_event(db, **fields, lock_aggregate=True)
            assert len(postgres.rows(tenant)) == 1
        finally:
            admin.execute(f"drop owned by {role}")
            admin.execute(f"drop role {role}")


def test_a_codec_of_the_application_s_for_jsonb_changes_nothing(postgres, fields, tenant):
    async def body():
        db = await asyncpg.connect(postgres.store.url)
        await db.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads,
                                schema="pg_catalog")
        async with db.transaction():
            await create_outbox_event_async(db, **fields)
        await db.close()

    asyncio.run(body())
    assert json.loads(postgres.rows(tenant)[0][4]) == fields["payload"]


def test_the_caller_s_cursor_keeps_its_results(postgres, fields):
    with psycopg.connect(postgres.store.url, row_factory=psycopg.rows.dict_row) as db:
        cursor = db.cursor()
        cursor.execute("select 1 as one")
        create_outbox_event(cursor, **fields)
        assert cursor.fetchone() == {"one": 1}
        db.rollback()


def test_autocommit_is_no_hindrance_inside_a_transaction(postgres, fields, tenant):
    with psycopg.connect(postgres.store.url, autocommit=True) as db:
        with db.transaction():
            create_outbox_event(db, **fields)
            with db.pipeline():
                create_outbox_event(db, **fields)
        with pytest.raises(ZeroDivisionError), db.transaction():
            create_outbox_event(db, **fields)
            raise ZeroDivisionError
        with pytest.raises(NotInTransactionError):
            create_outbox_event(db, **fields)
    assert len(postgres.rows(tenant)) == 2


def test_an_error_of_the_database_is_passed_on(postgres, fields):
    with psycopg.connect(postgres.store.url) as db:
        with pytest.raises(psycopg.errors.DivisionByZero):
            db.execute("select 1 / 0")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            create_outbox_event(db, **fields)
        db.rollback()
