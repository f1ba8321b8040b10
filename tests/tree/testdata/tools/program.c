/* What people had before scripts: a form's values, percent-decoded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	const char *length = getenv("CONTENT_LENGTH"), *query = getenv("QUERY_STRING");
	char text[256] = "";
	size_t n = length ? strtoul(length, NULL, 10) : 0;

	if (n >= sizeof text)
		n = sizeof text - 1;
	text[fread(text, 1, n, stdin)] = '\0';
	printf("Content-Type: text/plain\r\n\r\n%d arguments, %s, %s\n", argc - 1, query ? query : "", text);
	return 0;
}
