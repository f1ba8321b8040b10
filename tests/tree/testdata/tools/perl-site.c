/* An interpreter of a site's own: perl, with an environment of its own. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argc;
	setenv("APP_HOME", "/srv/app", 1);
	execv("/usr/bin/perl", argv);
	return 127;
}
