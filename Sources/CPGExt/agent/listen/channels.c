/* channels.c: writes and reads a client's channels as its room has them; see listen.h. */
#include "postgres.h"

#include "private/ledger.h"
#include "private/listen.h"
#include "private/statebytes.h"

static void
put_position(StringInfo to, CarpoolPosition position)
{
	carpool_put_uint64(to, (uint64) position.page);
	carpool_put_uint64(to, (uint32) position.offset);
}

static CarpoolPosition
get_position(StringInfo bytes)
{
	CarpoolPosition position;

	position.page = (int64) carpool_get_uint64(bytes);
	position.offset = (int) carpool_get_uint64(bytes);
	return position;
}

CarpoolChannels
carpool_channels_head(StringInfo bytes)
{
	CarpoolChannels channels = {0};

	channels.encoding = (int) carpool_get_uint64(bytes);
	channels.live = (int) carpool_get_uint64(bytes);
	channels.count = (int) carpool_get_uint64(bytes);
	return channels;
}

void
carpool_channels_next(StringInfo bytes, CarpoolChannel *channel, char name[NAMEDATALEN])
{
	uint32		length;
	const char *text;

	channel->from = get_position(bytes);
	channel->end = get_position(bytes);
	text = carpool_get_text(bytes, &length);
	if (text == NULL || length >= NAMEDATALEN)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a channel's name cannot be read")));
	memcpy(name, text, length);
	name[length] = '\0';
	channel->name = name;
}

CarpoolChannels
carpool_channels_read(uint64 client)
{
	CarpoolChannels channels = {0};
	StringInfoData bytes;
	char		name[NAMEDATALEN];

	initStringInfo(&bytes);
	carpool_room_get(client, CARPOOL_ROOM_CHANNELS, &bytes);
	if (bytes.len == 0)
		return channels;
	channels = carpool_channels_head(&bytes);
	channels.list = palloc_extended(channels.live * sizeof(CarpoolChannel) + 1, MCXT_ALLOC_HUGE);
	for (CarpoolChannel *each = channels.list; each < channels.list + channels.live; each++)
	{
		carpool_channels_next(&bytes, each, name);
		each->name = pstrdup(name);
	}
	pfree(bytes.data);
	return channels;
}

void
carpool_channels_write(StringInfo to, const CarpoolChannels *channels)
{
	if (channels->count == 0)
		return;
	carpool_put_uint64(to, (uint64) channels->encoding);
	carpool_put_uint64(to, (uint64) channels->live);
	carpool_put_uint64(to, (uint64) channels->count);
	for (const CarpoolChannel *each = channels->list; each < channels->list + channels->count; each++)
	{
		put_position(to, each->from);
		put_position(to, each->end);
		carpool_put_string(to, each->name);
	}
}
