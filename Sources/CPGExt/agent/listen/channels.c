/* channels.c: writes and reads a client's channels as its room has them; see listen.h. */
#include "postgres.h"

#include "private/ledger.h"
#include "private/listen.h"
#include "private/statebytes.h"

int
carpool_channels_head(StringInfo bytes, int *count)
{
	int			encoding = (int) carpool_get_uint64(bytes);

	*count = (int) carpool_get_uint64(bytes);
	return encoding;
}

void
carpool_channels_next(StringInfo bytes, CarpoolChannel *channel, char name[NAMEDATALEN])
{
	uint32		length;
	const char *text;

	channel->from.page = (int) carpool_get_uint64(bytes);
	channel->from.offset = (int) carpool_get_uint64(bytes);
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
	channels.encoding = carpool_channels_head(&bytes, &channels.count);
	channels.list = palloc_extended(channels.count * sizeof(CarpoolChannel) + 1, MCXT_ALLOC_HUGE);
	for (CarpoolChannel *each = channels.list; each < channels.list + channels.count; each++)
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
	carpool_put_uint64(to, (uint64) channels->count);
	for (const CarpoolChannel *each = channels->list; each < channels->list + channels->count; each++)
	{
		carpool_put_uint64(to, (uint64) each->from.page);
		carpool_put_uint64(to, (uint64) each->from.offset);
		carpool_put_string(to, each->name);
	}
}
