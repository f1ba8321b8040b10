# The configuration of require-late.pl, as it was written in 1998.
$title  = 'Shop of ' . $ENV{SHOP};
%colour = (background => '#ffffff', 'text', "black");
$hits   = 0;

sub price {
    my ($amount) = @_;
    return sprintf('%.2f at %s', $amount, time > 0 ? 'any time' : 'no time');
}

1;
